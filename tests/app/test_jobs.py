from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app import runs, samples
from app.jobs import Job, Progress, SanityCheck, foreman, leases
from app.jobs import store as files
from app.jobs.local import LocalEngine
from app.runs import costs
from tests.app.waiting import wait_for
from titans_core.documents import check_text
from titans_core.interventions import intervene
from titans_core.settings import Settings

Finish = Callable[..., Progress]


@pytest.fixture
def engine() -> Iterator[LocalEngine]:
    """An engine of its own, for tests that end its worker."""
    own = LocalEngine()
    yield own
    own.close()


def long_text() -> str:
    return max((sample.text for sample in samples.samples()), key=len)


def test_a_finished_run_is_a_folder_with_its_facts(finished: dict[str, str], store: Path) -> None:
    run = finished["mac"]
    facts = json.loads((store / run / "run.json").read_text())
    assert facts["checkpoint"] == "mac"
    assert facts["title"] == "A test text"
    assert facts["bytes"] > 0
    assert runs.engine().result(run) == store / run / "trace.zarr"
    assert not list(store.glob("tmp-*"))


def test_ids_cannot_be_guessed(finished: dict[str, str]) -> None:
    assert all(files.is_id(run) for run in finished.values())
    assert len(set(finished.values())) == len(finished)


@pytest.mark.parametrize("run", ["", "0" * 32, "../../etc", "0" * 31 + "/", "A" * 32, "run.json"])
def test_unknown_ids_are_unknown(run: str) -> None:
    assert runs.progress(run) is None
    assert runs.engine().result(run) is None
    assert runs.opened(run) is None


def test_speed_and_weight_are_learnt_for_the_cost_line() -> None:
    engine = runs.engine()
    assert isinstance(engine, LocalEngine)
    facts = {"checkpoint": "mac", "device": "cpu", "tokens": 2, "seconds": 1.0, "bytes": 34_000}
    engine._times.learn(facts)  # a word says nothing about what a long text takes
    assert costs.cost(1000, ("mac",), "cpu").bytes < 2_000_000
    for name in ("mac", "mag"):
        engine._times.learn(facts | {"checkpoint": name, "tokens": 1000, "bytes": 200_000})
    before = costs.cost(1000, ("mac", "mag"), "cpu")
    assert before.measured
    assert before.bytes == pytest.approx(400_000)
    assert costs.cost(2000, ("mac", "mag"), "cpu").seconds == pytest.approx(2 * before.seconds)


def test_cancel_leaves_nothing_and_the_next_run_works(finish: Finish, store: Path, finished: dict[str, str]) -> None:
    engine = runs.engine()
    running = engine.submit(Job("mac", long_text(), "Long"))
    waiting = engine.submit(Job("mac", long_text(), "Waits"))
    wait_for(lambda: (at := engine.progress(running)) is not None and at.state == "running")
    engine.cancel(waiting)
    assert finish(waiting).state == "cancelled"
    engine.cancel(running)
    engine.cancel(running)
    assert finish(running).state == "cancelled"
    assert engine.result(running) is None
    after = engine.submit(Job("mac", "A short text after it.", "Short"))
    assert finish(after).state == "done"
    assert not list(store.glob("tmp-*"))
    engine.cancel(after)
    assert finish(after).state == "done"


def test_what_is_stored_is_looked_through_once_a_minute_and_what_waiting_jobs_need_is_held_at_once(
    engine: LocalEngine, finished: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    swept: list[frozenset[str]] = []
    monkeypatch.setattr(files, "sweep", lambda keep=frozenset(): swept.append(keep))

    def do(*jobs: Job) -> None:
        begun = [engine.submit(job) for job in jobs]
        wait_for(lambda: not engine.progress(begun[0]).live)  # type: ignore[union-attr]
        assert leases.in_use(finished["mag"]) == (len(jobs) > 1)
        wait_for(lambda: not any(engine.progress(run).live for run in begun))  # type: ignore[union-attr]
        assert not leases.in_use(finished["mag"])

    one = Job("mag", "A short text.", "Short")
    do(one)
    do(one, replace(one, text=long_text(), begin=f"{finished['mag']}/memory"))
    assert swept == [], "it began with a look, less than a minute ago"
    engine._swept -= foreman.SWEEP
    do(one)
    do(one)
    assert len(swept) == 1


def test_a_sanity_check_is_published_under_the_id_of_its_run(
    finished: dict[str, str], finish: Finish, store: Path
) -> None:
    engine = runs.engine()
    job = SanityCheck(finished["mac"], "mac", "A test text")
    other = SanityCheck(finished["mag"], "mag", "A test text")
    assert job.id not in (other.id, *finished.values())
    assert engine.submit(job) == job.id
    assert engine.submit(job) == job.id, "going: not begun again"
    assert finish(job.id).state == "done"
    facts = json.loads((store / job.id / "run.json").read_text())
    assert facts["of"] == finished["mac"]
    assert facts["answer"] == engine.answer(job.id)
    assert not (store / job.id / "trace.zarr").exists()
    assert engine.result(job.id) is None, "it is no trace"
    assert runs.opened(job.id) is None
    assert engine.answer(finished["mac"]) is None
    assert engine.answer(other.id) is None
    written = (store / job.id / "run.json").stat().st_mtime_ns
    assert engine.submit(job) == job.id
    assert runs.progress(job.id).state == "done", "done: not begun again"  # type: ignore[union-attr]
    assert (store / job.id / "run.json").stat().st_mtime_ns == written
    assert not list(store.glob("tmp-*"))


def test_a_sanity_check_says_nothing_of_the_speed_of_runs(engine: LocalEngine, finish: Finish) -> None:
    run = runs.engine().submit(Job("mag", samples.samples()[0].text, "Long enough"))
    assert finish(run).state == "done"
    check = engine.submit(SanityCheck(run, "mag", "Long enough"))
    wait_for(lambda: (at := engine.progress(check)) is not None and not at.live)
    assert engine.answer(check) is not None
    assert engine.speed("mag", "cpu") is None


def test_a_cancelled_sanity_check_leaves_nothing_and_can_be_begun_again(
    engine: LocalEngine, finished: dict[str, str], store: Path
) -> None:
    job = SanityCheck(finished["mal"], "mal", "A test text")
    running = engine.submit(Job("mac", long_text(), "Long"))
    check = engine.submit(job)
    engine.cancel(check)
    assert engine.progress(check).state == "cancelled"  # type: ignore[union-attr]
    assert engine.submit(job) == check, "begun again while the worker has not heard of the first"
    assert engine.progress(check).state == "queued"  # type: ignore[union-attr]
    engine.cancel(running)
    wait_for(lambda: (at := engine.progress(check)) is not None and at.state == "running")
    engine.cancel(check)
    wait_for(lambda: not engine.progress(check).live)  # type: ignore[union-attr]
    assert engine.progress(check).state == "cancelled"  # type: ignore[union-attr]
    assert engine.answer(check) is None
    assert not (store / check).exists()
    engine.submit(job)
    wait_for(lambda: engine.progress(check).state == "done")  # type: ignore[union-attr]
    assert engine.answer(check) is not None
    assert not list(store.glob("tmp-*"))


def test_a_killed_worker_fails_a_sanity_check_and_the_next_one_works(
    engine: LocalEngine, finished: dict[str, str]
) -> None:
    job = SanityCheck(finished["mag"], "mag", "A test text")
    check = engine.submit(job)
    wait_for(lambda: engine.progress(check).state == "running")  # type: ignore[union-attr]
    os.kill(engine.start(), signal.SIGKILL)
    wait_for(lambda: not engine.progress(check).live)  # type: ignore[union-attr]
    at = engine.progress(check)
    assert at is not None
    assert at.state == "failed"
    assert "ended unexpectedly" in at.message
    engine.submit(job)
    wait_for(lambda: engine.progress(check).state == "done")  # type: ignore[union-attr]


def test_a_run_with_interventions_is_stored_with_them(finish: Finish, finished: dict[str, str]) -> None:
    run = runs.engine().submit(Job("mac", "The keeper walked along the shore.", "t", changes=("theta*=0", "wipe=3")))
    assert finish(run).state == "done"
    opened = runs.opened(run)
    assert opened is not None
    stored = json.loads(opened.ds.attrs["settings"])
    assert Settings.from_dict(stored) == intervene("theta*=0", "wipe=3")
    assert not opened.ds["theta"].values.any()
    far = finish(runs.engine().submit(Job("mac", "A short text.", "t", changes=("wipe=1000",))))
    assert (far.state, "wipe=1000: this text has tokens 0 to" in far.message) == ("failed", True)


@pytest.mark.parametrize("name", ["nope", "../checkpoints/mac", "/etc"])
def test_an_unknown_checkpoint_fails_with_its_reason(name: str, finish: Finish) -> None:
    at = finish(runs.engine().submit(Job(name, "Some text.", "t")))
    assert at.state == "failed"
    assert "unknown checkpoint" in at.message
    assert "mac" in at.message


def test_a_text_that_cannot_be_read_fails_with_its_reason(finish: Finish) -> None:
    bad = "half of a pair: \ud83d"
    with pytest.raises(ValueError, match="surrogate"):
        check_text(bad)
    at = finish(runs.engine().submit(Job("mac", bad, "t")))
    assert at.state == "failed"
    assert "surrogate" in at.message


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_worker_that_dies_fails_its_run_alone_and_is_replaced(engine: LocalEngine, number: int, store: Path) -> None:
    running = engine.submit(Job("mac", long_text(), "Long"))
    waiting = engine.submit(Job("mac", "Waits.", "t"))
    wait_for(lambda: (at := engine.progress(running)) is not None and at.state == "running")
    first = engine.start()
    os.kill(first, number)
    wait_for(lambda: (at := engine.progress(running)) is not None and not at.live, seconds=5)
    at = engine.progress(running)
    assert at is not None
    assert at.state == "failed"
    assert "ended unexpectedly" in at.message
    assert signal.Signals(number).name in at.message
    wait_for(lambda: (at := engine.progress(waiting)) is not None and at.state == "done")
    assert engine.start() != first
    assert not list(store.glob("tmp-*"))


def test_another_engine_finds_finished_runs_again(engine: LocalEngine, finished: dict[str, str]) -> None:
    at = engine.progress(finished["mac"])
    assert at is not None
    assert (at.state, at.title) == ("done", "A test text")
