"""Runs that begin with the memory of another one: how they are read, kept, named and refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import titans_core as tc
from app import naming, runs
from app.jobs import Job, Progress, memory_files, sanity
from app.state import address
from app.views import beginning
from tests.app.conftest import TEXT
from titans_core import memory_file
from titans_core.errors import StoreError

Finish = Callable[..., Progress]
NEXT = "The boats came home. A grand piano was in the harbour, and 4190327 keys hung there."


@pytest.fixture(scope="session")
def continued(finished: dict[str, str], finish: Finish) -> str:
    run = runs.engine().submit(Job("mag", NEXT, "Next", begin=f"{finished['mag']}/memory"))
    assert finish(run).state == "done"
    return run


def held(name: str) -> memory_file.Held:
    path = memory_files.memory(name)
    assert path is not None
    return memory_file.read(path.read_bytes(), path.name)


def test_every_run_keeps_the_memory_after_its_last_token(finished: dict[str, str]) -> None:
    for run in finished.values():
        kept = held(f"{run}/memory")
        sizes = np.sqrt((memory_file.measures(kept).size ** 2).sum(1))
        np.testing.assert_allclose(sizes, runs.trace(run)["memory"].values[:, -1], rtol=1e-4)
        assert kept.facts["texts"] == ["A test text"]
        assert memory_files.memory(f"{run}/began") is None


def test_a_run_goes_on_from_the_memory_of_another(finished: dict[str, str], continued: str) -> None:
    ds = runs.trace(continued)
    from_file = memory_files.memory(f"{finished['mag']}/memory")
    own = memory_files.memory(f"{continued}/began")
    assert from_file is not None
    assert own is not None
    assert own.read_bytes() == from_file.read_bytes()
    assert not np.allclose(ds["memory"].values[:, 0], tc.trace(tc.load("mag"), NEXT)["memory"].values[:, 0])
    assert held(f"{continued}/memory").facts["texts"] == ["A test text", "Next"]
    assert naming.of(ds) == "MAG · after “A test text”"
    assert "began with a memory" in sanity.refusal(ds) or ds.sizes["token"] < 100


def test_a_run_that_is_not_open_any_more_is_opened_once_to_name_its_memory(
    finished: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, opened, title = finished["mal"], [], ["A first name"]
    trace = runs.trace
    monkeypatch.setattr(runs, "trace", lambda run: (opened.append(run), trace(run))[1])
    monkeypatch.setattr(address, "was_read", lambda: (run, "0" * 32))
    monkeypatch.setattr(runs, "progress", lambda asked: Progress("done", "mal", title[0]) if asked == run else None)
    for _ in range(3):
        assert beginning._of_session() == {f"{run}/memory": "After “A first name” · MAL"}
    assert opened == [run]
    title[0] = "Another"
    assert beginning._of_session() == {f"{run}/memory": "After “Another” · MAL"}


def test_names_say_what_was_read_before(finished: dict[str, str], continued: str) -> None:
    ds = runs.trace(continued)
    assert naming.asked("mag", ("reads=off",), ("A", "B")) == "MAG · after “B” and 1 more · reads zeroed"
    long = ds.assign_attrs(memory_from=json.dumps({"texts": ["x" * 200]}))
    assert len(naming.of(long)) < 60
    for told in ("[", "[1]", "{}", "3", '{"texts": 4}', "[" * 100_000):
        assert naming.of(ds.assign_attrs(memory_from=told)) == "MAG · after another text"
    fresh = runs.trace(finished["mag"])
    wiped = fresh.assign_attrs(settings=json.dumps({**json.loads(fresh.attrs["settings"]), "wipe_at": 5}))
    assert naming.begins(wiped, fresh) == 5
    assert naming.begins(wiped.assign_attrs(memory_from="{}"), fresh) is None, "they differ from the first token on"


def test_a_job_says_what_its_memory_had_read_while_it_waits(finished: dict[str, str], finish: Finish) -> None:
    run = runs.engine().submit(Job("mag", NEXT, "Next", begin=f"{finished['mag']}/memory"))
    at = runs.progress(run)
    assert at is not None
    assert at.state == "done" or at.texts == ("A test text",)
    finish(run)


@pytest.mark.parametrize(
    ("checkpoint", "begin", "why"),
    [
        ("mac", "{mag}/memory", "other weights than mac has here"),
        ("mag", "0" * 32 + "/memory", "not stored here any more"),
    ],
)
def test_what_cannot_be_gone_on_from(
    finished: dict[str, str], finish: Finish, checkpoint: str, begin: str, why: str
) -> None:
    run = runs.engine().submit(Job(checkpoint, NEXT, "Next", begin=begin.format(**finished)))
    at = finish(run)
    assert at.state == "failed"
    assert why in at.message


def test_a_run_that_diverged_and_one_without_memory_keep_none(finish: Finish) -> None:
    lost = runs.engine().submit(Job("mag", TEXT, "Lost", changes=("theta*=1000",)))
    finish(lost)
    assert "diverged" in runs.trace(lost).attrs
    assert memory_files.memory(f"{lost}/memory") is None


def test_a_memory_from_elsewhere_is_kept_once(finished: dict[str, str], store: Path, finish: Finish) -> None:
    data = (store / finished["mag"] / "memory.safetensors").read_bytes()
    kept = runs.engine().keep(data, "mine.safetensors")
    assert runs.engine().keep(data, "mine.safetensors") == kept
    assert runs.engine().result(kept) is None, "it is no run"
    assert runs.opened(kept) is None
    run = runs.engine().submit(Job("mag", NEXT, "Next", begin=f"{kept}/memory"))
    assert finish(run).state == "done"
    assert not list(store.glob("tmp-*"))


@pytest.mark.parametrize(
    "name", ["", "memory", "../x/memory", "{mag}/run", "{mag}/../memory", "{mag}/memory/x", "{mag}"]
)
def test_names_of_memories_reach_no_other_file(finished: dict[str, str], name: str) -> None:
    assert runs.engine().memory(name.format(**finished)) is None


def test_hostile_files_are_refused_and_leave_nothing(finished: dict[str, str], store: Path) -> None:
    good = (store / finished["mag"] / "memory.safetensors").read_bytes()
    before = sorted(store.iterdir())
    for bad in (b"", b"\x80\x04pickle", good[:1000], b"\xff" * 64, good + b"x"):
        with pytest.raises(StoreError, match=r"cannot be read|no memory"):
            runs.engine().keep(bad, "bad.safetensors")
    assert sorted(store.iterdir()) == before


def test_another_memory_is_no_memory_of_this_run(continued: str) -> None:
    run = runs.opened(continued)
    assert run is not None
    assert replace(run, id="0" * 32).name == run.name
