"""Jobs on disk: what another server, or the next one, knows of those that did not finish."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from app.jobs import Job, Probe, Progress, SanityCheck, ledger, store
from app.jobs.ledger import Ledger
from app.jobs.local import LocalEngine

RUN = "a" * 32
JOBS = {
    "run": Job("mac", "A text: \ud83d, \x00, 👩‍👩‍👧.", "Title", changes=("theta*=0.5",), begin="b/memory", places="{}"),
    "sanity": SanityCheck("b" * 32, "mac", "Title"),
    "probe": Probe("recall", "c" * 32, "mac", "Title", (("n", 3), ("words", [1, "two"]))),
}
AT = Progress("running", "mac", "Title", done=3, total=9, changes=("theta*=0.5",), texts=("First",))


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TITANSCOPE_RUNS", str(tmp_path))
    return tmp_path


@pytest.fixture
def server() -> Iterator[Ledger]:
    own = Ledger()
    yield own
    own.close()


@pytest.mark.parametrize("kind", JOBS)
def test_what_was_asked_for_comes_back_as_it_was(kind: str, server: Ledger) -> None:
    server.enter(RUN, JOBS[kind], AT)
    found = ledger.job(RUN)
    assert found == JOBS[kind]
    assert ledger.kind(JOBS[kind]) == kind
    if not isinstance(found, Job | None):
        assert found.id == JOBS[kind].id  # type: ignore[union-attr]
    ledger.leave(RUN)
    assert ledger.job(RUN) is None
    assert ledger.standing(RUN) is None


def test_what_went_on_in_a_server_that_is_gone_was_interrupted(server: Ledger) -> None:
    server.enter(RUN, JOBS["run"], AT)
    assert ledger.standing(RUN).state == "running", "another server that lives"  # type: ignore[union-attr]
    server.close()
    at = ledger.standing(RUN)
    assert at is not None
    assert (at.state, at.title, at.changes, at.texts) == ("interrupted", "Title", ("theta*=0.5",), ("First",))
    assert "Run it again" in at.message
    failed = Progress("failed", "mac", "Title", message="no memory")
    server.note(RUN, failed)
    assert ledger.standing(RUN) == failed


def test_a_server_that_is_killed_is_known_to_be_gone(own_folder: Path) -> None:
    code = (
        "from app.jobs import Job, Progress; from app.jobs.ledger import Ledger; import time;"
        f"own = Ledger(); own.enter({RUN!r}, Job('mac', 'A text', 't'), Progress('queued', 'mac', 't'));"
        "print('up', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "up\n"
        assert ledger.standing(RUN).live  # type: ignore[union-attr]
        other.send_signal(signal.SIGKILL)
        other.wait()
    assert ledger.standing(RUN).state == "interrupted"  # type: ignore[union-attr]
    left = next((own_folder / "jobs").glob("*.alive"))
    os.utime(left, (0, 0))
    ledger.sweep()
    assert not left.exists()


def test_the_clock_does_not_end_what_is_going(
    server: Ledger, own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.enter(RUN, JOBS["run"], AT)
    server.enter("b" * 32, JOBS["run"], Progress("cancelled", "mac", "Title"))
    now = time.time()
    for jump in (-3600.0, 366 * 24 * 3600.0):
        monkeypatch.setattr("time.time", lambda jump=jump: now + jump)
        ledger.sweep()
        assert ledger.standing(RUN).state == "running"  # type: ignore[union-attr]
    assert ledger.standing("b" * 32) is None, "it was of last year"


def test_only_so_much_is_kept_of_what_did_not_finish(server: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "ABANDONED", 3)
    names = [f"{k:032x}" for k in range(5)]
    for k, name in enumerate(names):
        server.enter(name, JOBS["run"], Progress("failed", "mac", "Title"))
        os.utime(store.root() / "jobs" / name, (time.time() - 50 + k,) * 2)
    server.enter("f" * 32, JOBS["run"], AT)
    ledger.sweep()
    assert [ledger.job(name) is not None for name in names] == [False, False, True, True, True]
    monkeypatch.setattr(ledger, "MAX_BYTES", 1)
    ledger.sweep()
    assert not any(ledger.job(name) for name in names)
    assert ledger.job("f" * 32) is not None


@pytest.mark.parametrize("name", ["", "../x", RUN[:-1], RUN.upper()])
def test_what_is_no_id_is_not_looked_for(name: str) -> None:
    assert ledger.job(name) is None
    assert ledger.standing(name) is None


plain = some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=8)
anything = some.recursive(
    plain, lambda s: some.lists(s, max_size=3) | some.dictionaries(some.text(max_size=8), s), max_leaves=6
)
names = some.sampled_from(["kind", "job", "at", "server", "state", "changes", "texts", "device", "options", "text"])
near = some.builds(
    lambda field, value, whole: whole | {field: value},
    names,
    anything,
    some.sampled_from(
        [{"kind": kind, "job": asdict(job)} for kind, job in JOBS.items()] + [{"server": "x", "at": asdict(AT)}]
    ),
)


@settings(max_examples=60, deadline=None)
@given(some.one_of(near, some.dictionaries(names, anything), anything), some.integers(0, 400))
def test_damaged_records_are_nothing_known(values: object, cut: int) -> None:
    folder = store.root() / "jobs" / RUN
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(values)
    for written in (text, text[:cut]):
        for part in ("job", "state"):
            (folder / f"{part}.json").write_text(written)
        assert isinstance(ledger.job(RUN), Job | SanityCheck | Probe | None)
        assert isinstance(ledger.standing(RUN), Progress | None)
    ledger.sweep()


def test_a_full_disk_fails_the_job_and_leaves_no_part_of_it(monkeypatch: pytest.MonkeyPatch, own_folder: Path) -> None:
    whole = ledger._write
    engine = LocalEngine()

    def full(broken: str, path: Path, values: dict[str, object]) -> None:
        if path.name == broken:
            path.with_suffix(".tmp").write_text("half")
            raise OSError(errno.ENOSPC, "No space left on device")
        whole(path, values)

    try:
        for broken in ("job.json", "state.json"):
            monkeypatch.setattr(ledger, "_write", partial(full, broken))
            at = engine.progress(engine.submit(JOBS["run"]))
            assert at is not None
            assert (at.state, at.message) == (
                "failed",
                "this could not be begun, as it could not be written down: the disk is full",
            )
        assert not [path for path in (own_folder / "jobs").iterdir() if path.is_dir()]
    finally:
        engine.close()
