"""What happens to jobs when their worker hangs, runs out of memory or babbles, and when the server is stopped."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from streamlit.testing.v1 import AppTest

from app import runs, samples
from app.jobs import Busy, Job, Progress, ledger
from app.jobs.child import Child
from app.jobs.line import EACH
from app.jobs.local import LocalEngine
from tests.app.waiting import wait_for

ROOT = Path(__file__).parents[2]
LONG = max((sample.text for sample in samples.samples()), key=len) * 4


@pytest.fixture(scope="module")
def engine() -> Iterator[LocalEngine]:
    own = LocalEngine()
    yield own
    own.close()


def state(engine: LocalEngine, run: str) -> str:
    at = engine.progress(run)
    assert at is not None
    return at.state


def running(engine: LocalEngine) -> str:
    """A run that goes on for long."""
    run = engine.submit(Job("transformer", LONG, "Long"))
    wait_for(lambda: state(engine, run) == "running")
    return run


def works(engine: LocalEngine) -> None:
    after = engine.submit(Job("transformer", "The next job works.", "t"))
    wait_for(lambda: not engine.progress(after).live)  # type: ignore[union-attr]
    assert state(engine, after) == "done"


def test_those_who_wait_see_their_place_and_when_it_begins(engine: LocalEngine) -> None:
    first = running(engine)
    mine = [engine.submit(Job("transformer", LONG, "t"), "me") for _ in range(EACH)]
    with pytest.raises(Busy, match="most for one person"):
        engine.submit(Job("transformer", "One more.", "t"), "me")
    other = engine.submit(Job("transformer", "Somebody else's.", "t"), "you")
    at, last = engine.progress(other), engine.progress(mine[-1])
    assert at is not None
    assert last is not None
    assert (at.ahead, last.ahead) == (2, EACH + 1), "one that runs, one of mine; then all the others"
    assert at.seconds_left is not None
    assert last.seconds_left is not None
    assert 0 < at.seconds_left < last.seconds_left
    for run in (first, *mine):
        engine.cancel(run)
        engine.cancel(run)
    wait_for(lambda: state(engine, other) == "done")
    assert {state(engine, run) for run in (first, *mine)} == {"cancelled"}


def test_a_cancel_ends_a_worker_that_does_not_answer(engine: LocalEngine) -> None:
    run = running(engine)
    first = engine.start()
    os.kill(first, signal.SIGSTOP)
    begun = time.monotonic()
    engine.cancel(run)
    wait_for(lambda: state(engine, run) == "cancelled", seconds=5)
    assert time.monotonic() - begun < 2.5
    works(engine)
    assert engine.start() != first


def limit_memory(process: int, more: int | None) -> None:
    """The process can take so many bytes more than it has; None: any."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[0])
    soft = resource.RLIM_INFINITY if more is None else pages * os.sysconf("SC_PAGE_SIZE") + more
    resource.prlimit(process, resource.RLIMIT_AS, (soft, resource.RLIM_INFINITY))


def test_memory_that_runs_out_ends_its_job_alone_and_says_how_much(engine: LocalEngine) -> None:
    run = running(engine)
    worker = engine.start()
    limit_memory(worker, 0)
    wait_for(lambda: not engine.progress(run).live)  # type: ignore[union-attr]
    at = engine.progress(run)
    assert at is not None
    assert at.state == "failed"
    assert "Memory ran out during this run: about" in at.message
    assert "were needed, and" in at.message
    assert "were available when it began" in at.message
    limit_memory(worker, 20_000_000)
    small = engine.submit(Job("transformer", LONG, "t"))
    wait_for(lambda: not engine.progress(small).live)  # type: ignore[union-attr]
    assert engine.progress(small).message.startswith("This needs about")  # type: ignore[union-attr]
    limit_memory(worker, None)
    works(engine)
    assert engine.start() == worker, "the same worker goes on"


plain = some.none() | some.integers() | some.floats() | some.text(max_size=5) | some.just("a") | some.just("r" * 32)
events = some.dictionaries(some.sampled_from(["event", "id", "done", "total", "devices", "room", "message"]), plain)
kinds = some.sampled_from(["running", "loading", "ready", "other", "a" * 32])
told = some.builds(
    lambda kind, rest, own: {**rest, "event": kind, **({"id": "own"} if own else {})}, kinds, events, some.booleans()
)


@settings(max_examples=50, deadline=None)
@given(some.lists(told | events, max_size=5))
def test_whatever_a_worker_says_its_job_stays_where_it_is(said: list[dict[str, Any]]) -> None:
    engine = LocalEngine()
    try:
        known = engine._attempts.add("n" * 32, Job("mac", "A text.", "t"), "me", Progress("queued", "mac", "t"), 1.0)
        process, rest = SimpleNamespace(pid=1), {"ready": True, "room": 1, "stopping": set()}
        child = cast("Child", SimpleNamespace(device="cpu", doing=[known.id], process=process, **rest))
        for event in said:
            engine._take(child, {k: known.id if v == "own" else v for k, v in event.items()})
        at = engine.progress("n" * 32)
        assert at is not None
        assert at.live
        assert 0 <= at.done <= at.total
    finally:
        engine.close()


def test_a_closed_engine_leaves_interrupted_jobs_that_run_again_under_their_ids() -> None:
    first = LocalEngine()
    going = running(first)
    waiting = first.submit(Job("transformer", "Waits, and is run again.", "A title"), "me")
    first.close()
    assert (state(first, going), state(first, waiting)) == ("interrupted", "interrupted")
    with pytest.raises(Busy, match="being stopped"):
        first.submit(Job("transformer", "Too late.", "t"))
    second = LocalEngine()
    try:
        at = second.progress(waiting)
        assert at is not None
        assert (at.state, at.title) == ("interrupted", "A title")
        assert state(second, going) == "interrupted"
        assert second.again(waiting, "you")
        assert second.again(waiting, "somebody else"), "it goes on already"
        wait_for(lambda: state(second, waiting) == "done")
        assert ledger.job(waiting) is None, "its result tells of it"
        assert not second.again("e" * 32, "you")
    finally:
        second.close()


def test_the_page_of_an_interrupted_run_says_so_and_runs_it_again(finish: Callable[..., Progress]) -> None:
    name = "d" * 32
    gone = ledger.Ledger()
    gone.enter(
        name,
        Job("transformer", "The text of the run that was interrupted.", "A title"),
        Progress("running", "mac", "t"),
    )
    gone.close()
    page = AppTest.from_file(str(ROOT / "app/main.py"), default_timeout=30)
    page.query_params["run"] = name
    page.run()
    assert not page.exception
    assert "interrupted. The server was stopped" in page.error[0].value
    page.button("run_again").click().run()
    assert finish(name).state == "done"
    page.run()
    assert not page.error
    assert runs.opened(name) is not None


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = os.environ | {"TITANSCOPE_RUNS": str(folder)}
    command = [sys.executable, "-m", "app", "--port", str(port)]
    with open(folder / "log", "w", encoding="utf-8") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log)
    try:
        yield f"http://127.0.0.1:{port}", process
    finally:
        process.kill()
        process.wait()


def newcomer(address: str) -> str:
    """The id of the run that the server begins for whoever comes first."""
    with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=5) as reply:  # noqa: S310 (our own)
        return parse_qs(urlsplit(reply.url).query)["run"][0]
    return ""


def workers_of(server: int) -> list[int]:
    stats = [(path, path.read_text()) for path in Path("/proc").glob("[0-9]*/stat")]
    return [int(path.parent.name) for path, text in stats if int(text.rpartition(")")[2].split()[1]) == server]


def gone(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_server_that_is_stopped_ends_with_its_workers_and_interrupts_its_jobs(
    number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TITANSCOPE_RUNS", str(tmp_path))
    with serving(tmp_path) as (address, process):
        found: list[str] = []
        wait_for(lambda: bool(found.append(newcomer(address)) or found[-1]))  # type: ignore[func-returns-value]
        run, workers = found[-1], workers_of(process.pid)
        assert workers
        assert ledger.standing(run).live  # type: ignore[union-attr]
        process.send_signal(number)
        begun = time.monotonic()
        assert process.wait(10) == (0 if number == signal.SIGTERM else -number)
        wait_for(lambda: all(map(gone, workers)), seconds=5)
        assert time.monotonic() - begun < 8
    at = ledger.standing(run)
    assert at is not None
    assert (at.state, at.message) == ("interrupted", ledger.STOPPED)
