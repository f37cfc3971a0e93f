"""Probes of documents: how they are asked for, kept, cancelled, begun again, and what hostile input does."""

from __future__ import annotations

import io
import json
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import titans_core as tc
from app import memories, probing, runs, samples
from app.jobs import Probe, Progress, Subject
from app.jobs import store as files
from app.jobs.local import LocalEngine
from app.jobs.models import Models
from app.jobs.telling import Cancelled
from app.jobs.worker import Worker
from app.probing import recall
from app.runs import subjects
from tests.app.test_jobs import wait_for
from titans_core.errors import ConfigError, StoreError
from titans_core.probes.places import Place, plant

Finish = Callable[..., Progress]

DOCUMENT = "The keeper walked along the shore, and it rained. She found stones there.\n" * 20
FACT = "The number of the harbour book is 7304416."


def planted(text: str = DOCUMENT, **changes: Any) -> Subject:
    place = plant(text, FACT, 0.2)
    return replace(Subject("A log", *place, FACT[:34], "7304416", True, depth=0.2), **changes)


@pytest.fixture
def subject(store: Path) -> str:
    return runs.engine().keep_subject(planted())


@pytest.fixture
def engine() -> Iterator[LocalEngine]:
    own = LocalEngine()
    yield own
    own.close()


def test_a_subject_is_kept_as_it_is_and_is_no_run(store: Path) -> None:
    asked = planted(pages=(0, 300), sections=((5, 1, "Log"), (400, 2, "Storm")))
    engine = runs.engine()
    name, again = engine.keep_subject(asked), engine.keep_subject(asked)
    assert name != again, "it cannot be guessed from the document"
    assert engine.subject(name) == subjects.subject(name) == asked
    assert (asked.fact, asked.place(asked.start)) == (FACT, "page 1, Log, paragraph 1")
    assert asked.place(500) == "page 2, Storm, paragraph 1"
    assert engine.result(name) is None
    assert engine.progress(name) is None
    assert engine.answer(name) is None
    assert engine.memory(f"{name}/memory") is None
    assert not list(store.glob("tmp-*"))


@pytest.mark.parametrize("name", ["", "0" * 32, "../../etc", "A" * 32, "0" * 31 + "/"])
def test_unknown_subjects_are_unknown(name: str) -> None:
    assert runs.engine().subject(name) is None
    assert subjects.subject(name) is None
    assert files.partial(name) is None


@pytest.mark.parametrize(
    "damage",
    [
        {"start": -1},
        {"end": 10**9},
        {"start": True},
        {"text": None},
        {"pages": ["1"]},
        {"sections": [[1, "2", "x"]]},
        {"sections": 5},
        {"files": [["x", 1]]},
        {"planted": 1},
        {"more": 1},
    ],
)
def test_a_damaged_subject_is_none(damage: dict[str, Any], subject: str, store: Path) -> None:
    path = store / subject / "subject.json"
    path.write_text(json.dumps(planted().to_dict() | damage))
    assert runs.engine().subject(subject) is None
    with pytest.raises(StoreError):
        Subject.from_dict(json.loads(path.read_text()))


@pytest.mark.parametrize("content", ["", "[1]", "{", "[" * 100_000, '{"text": "\\ud83d"}'])
def test_a_file_that_is_no_subject_is_none(content: str, subject: str, store: Path) -> None:
    (store / subject / "subject.json").write_text(content)
    assert runs.engine().subject(subject) is None


def test_old_subjects_are_swept_and_those_in_use_stay(subject: str, store: Path) -> None:
    (store / subject / "used.json").write_text('{"sequence": 1, "at": "2001-01-01T00:00:00+00:00"}')
    files.sweep(keep=frozenset([subject]))
    assert runs.engine().subject(subject) is not None
    files.sweep()
    assert runs.engine().subject(subject) is None


def test_a_subject_that_is_asked_about_grows_young_again(subject: str, finish: Finish, store: Path) -> None:
    os.utime(store / subject, (1_000_000.0, 1_000_000.0))
    runs.engine().submit(Probe("no such kind", subject, "mac", "A log"))
    files.sweep()
    assert runs.engine().subject(subject) is not None
    runs.engine().submit(Probe("recall", "../outside", "mac", "A log"))


def test_the_id_follows_from_all_that_is_asked(subject: str, monkeypatch: pytest.MonkeyPatch) -> None:
    one = Probe("recall", subject, "mac", "A log")
    assert one.id == replace(one, title="Another title", device="cuda").id
    others = {
        replace(one, kind="grid").id,
        replace(one, of="0" * 32).id,
        replace(one, checkpoint="mag").id,
        replace(one, options=(("points", 3),)).id,
    }
    monkeypatch.setattr(memories, "weights", lambda name: "other weights")
    assert len({one.id} | others) == 5
    assert all(files.is_id(name) for name in others)


def test_what_the_worker_finds_is_what_the_core_finds(subject: str, finish: Finish, store: Path) -> None:
    from titans_core.probes.recall import recall as direct

    engine, probe, asked = runs.engine(), Probe("recall", subject, "mac", "A log"), planted()
    assert engine.answer(probe.id) is None
    assert engine.submit(probe) == engine.submit(probe) == probe.id
    assert finish(probe.id).state == "done"
    found = engine.answer(probe.id)
    assert found is not None
    wanted = direct(tc.load("mac"), Place(asked.text, asked.start, asked.end), asked.cue, asked.answer).to_dict()
    assert found["asked"][0]["memory"]["p"] == pytest.approx(wanted["asked"][0]["memory"]["p"], rel=1e-3)
    assert [one["tokens"] for one in found["asked"]] == [one["tokens"] for one in wanted["asked"]]
    assert engine.result(probe.id) is None, "it is no trace"
    at = engine.progress(probe.id)
    assert at is not None
    assert at.done > 2 * found["total"] - (found["end"] - found["start"]), "with what is read without reads"
    assert not (store / probe.id / "trace.zarr").exists()
    written = (store / probe.id / "run.json").stat().st_mtime_ns
    engine.submit(probe)
    assert (store / probe.id / "run.json").stat().st_mtime_ns == written, "done: not begun again"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"checkpoint": "../mac"}, "unknown checkpoint"),
        ({"of": "0" * 32}, "not stored here any more"),
        ({"of": "../secrets"}, "not stored here any more"),
        ({"kind": "os.system"}, "unknown kind of probe"),
        ({"checkpoint": "transformer"}, "no memory"),
    ],
)
def test_what_cannot_be_probed_fails_with_its_reason(
    change: dict[str, Any], words: str, subject: str, finish: Finish
) -> None:
    probe = replace(Probe("recall", subject, "mac", "A log"), **change)
    runs.engine().submit(probe)
    at = finish(probe.id)
    assert (at.state, words in at.message) == ("failed", True), at.message


def test_a_fact_at_the_end_fails_in_words(finish: Finish, store: Path) -> None:
    end = DOCUMENT + FACT
    asked = replace(planted(), text=end, start=len(DOCUMENT), end=len(end))
    probe = Probe("recall", runs.engine().keep_subject(asked), "mag", "A log")
    runs.engine().submit(probe)
    at = finish(probe.id)
    assert (at.state, "add text that is read after it" in at.message) == ("failed", True)


def test_a_cancelled_probe_leaves_nothing_and_can_be_begun_again(finish: Finish, store: Path) -> None:
    engine = runs.engine()
    long = planted(text=max((sample.text for sample in samples.samples()), key=len))
    probe = Probe("recall", engine.keep_subject(long), "mac", "Long")
    engine.submit(probe)
    wait_for(lambda: (at := engine.progress(probe.id)) is not None and at.state == "running")
    engine.cancel(probe.id)
    assert finish(probe.id).state == "cancelled"
    assert engine.answer(probe.id) is None
    assert not list(store.glob("tmp-*"))
    engine.submit(probe)
    wait_for(lambda: (at := engine.progress(probe.id)) is not None and at.state == "running")
    engine.cancel(probe.id)
    finish(probe.id)


def test_a_killed_worker_fails_a_probe_and_the_next_one_works(engine: LocalEngine, subject: str) -> None:
    probe = Probe("recall", subject, "mal", "A log")
    engine.submit(probe)
    wait_for(lambda: engine.progress(probe.id).state == "running")  # type: ignore[union-attr]
    os.kill(engine.start(), signal.SIGKILL)
    wait_for(lambda: not engine.progress(probe.id).live)  # type: ignore[union-attr]
    assert engine.progress(probe.id).state == "failed"  # type: ignore[union-attr]
    engine.submit(probe)
    wait_for(lambda: engine.progress(probe.id).state == "done")  # type: ignore[union-attr]


class Here:
    """A worker in this process, and a kind of probe whose `run` is a function of the test's."""

    def __init__(self, subject: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.probe = Probe("counting", subject, "mac", "A log", (("to", 3),))
        self.worker = Worker("cpu", io.StringIO())

        def loaded(models: Models, run: str, name: str) -> SimpleNamespace:
            return SimpleNamespace(weights_sha256=memories.weights(name))

        monkeypatch.setattr(Models, "get", loaded)
        self._patch = monkeypatch

    def run(self, act: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        """The worker's last word."""
        kind = SimpleNamespace(
            refusal=lambda subject, checkpoint, options: "", run=lambda model, subject, options, tell: act(tell)
        )
        self._patch.setitem(probing.KINDS, "counting", kind)
        self._patch.setattr("app.jobs.ledger.asked", lambda name: self.probe if name == self.probe.id else None)
        self.worker.run({"do": "probe", "id": "1" * 32, "name": self.probe.id})
        told: dict[str, Any] = json.loads(self.worker._out.getvalue().splitlines()[-1])  # type: ignore[attr-defined]
        return told


@pytest.fixture
def here(subject: str, monkeypatch: pytest.MonkeyPatch) -> Here:
    return Here(subject, monkeypatch)


@pytest.mark.parametrize("error", [Cancelled(), ConfigError("no more"), RuntimeError("a fault"), MemoryError()])
def test_what_a_probe_had_found_is_kept_and_offered_again(error: Exception, here: Here, store: Path) -> None:
    engine = runs.engine()

    def breaks(tell: Any) -> dict[str, Any]:
        assert tell.before is None
        tell.partial({"count": 1})
        tell.partial({"count": 2})
        raise error

    told = here.run(breaks)
    assert told["event"] == ("cancelled" if isinstance(error, Cancelled) else "failed")
    assert engine.answer(here.probe.id) == {"count": 2, "partial": True}
    assert engine.progress(here.probe.id) is None, "it is not done"
    assert engine.result(here.probe.id) is None

    def goes_on(tell: Any) -> dict[str, Any]:
        tell.progress(2, 3)
        return {"count": tell.before["count"] + 1}

    assert here.run(goes_on)["event"] == "done"
    assert engine.answer(here.probe.id) == {"count": 3}
    assert not (store / here.probe.id / "partial.json").exists()


def test_a_damaged_partial_answer_is_begun_anew(here: Here, store: Path) -> None:
    (store / here.probe.id).mkdir()
    (store / here.probe.id / "partial.json").write_text('{"count": 1')
    assert runs.engine().answer(here.probe.id) is None
    assert here.run(lambda tell: {"before": tell.before})["event"] == "done"
    assert runs.engine().answer(here.probe.id) == {"before": None}


def test_the_memo_is_of_one_subject(here: Here, store: Path) -> None:
    def remembers(tell: Any) -> dict[str, Any]:
        tell.memo[len(tell.memo)] = "found"
        return {"held": len(tell.memo)}

    here.run(remembers)
    first = here.probe
    here.probe = replace(first, options=(("to", 4),))
    here.run(remembers)
    assert runs.engine().answer(here.probe.id) == {"held": 2}
    here.probe = replace(first, of=runs.engine().keep_subject(planted()))
    here.run(remembers)
    assert runs.engine().answer(here.probe.id) == {"held": 1}


def test_probes_tell_the_speed_of_their_kind_alone(engine: LocalEngine) -> None:
    facts = {"checkpoint": "mac", "device": "cpu", "tokens": 9_000, "seconds": 3.0, "bytes": 100}
    engine._times.learn(facts, "recall")
    assert engine.speed("mac", "cpu") is None
    assert engine.speed("mag", "cpu", "recall") == 3_000
    assert engine.weight == {}


def test_what_recall_refuses(subject: str) -> None:
    asked = planted()
    assert recall.refusal(asked, "mac", {}) == ""
    assert "not offered here" in recall.refusal(asked, "../mac", {})
    assert "No fact is chosen" in recall.refusal(replace(asked, start=0, end=0), "mac", {})
    assert "no cue or no answer" in recall.refusal(replace(asked, cue=" "), "mac", {})
