"""Writers of the store are killed at random moments: nothing finished is lost, and no half of anything stays."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from app.jobs import manifest, shelf, store

ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("TITANSCOPE_KILLS", "20"))  # `make test-kills` takes 100
LONGEST = 0.03  # seconds after the first run was stored; storing one takes a third of that


@pytest.fixture
def writers(folder: Path) -> Iterator[tuple[IO[str], IO[str]]]:
    command = [sys.executable, str(ROOT / "tests" / "writing.py"), str(folder)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdin, process.stdout:
        yield process.stdin, process.stdout
        process.stdin.close()
        process.wait(30)


def test_kills_lose_nothing_finished_and_leave_no_half(folder: Path, writers: tuple[IO[str], IO[str]]) -> None:
    chance = random.Random(8)  # noqa: S311
    finished, seen, left = set[str](), set[str](), 0
    for _ in range(KILLS):
        finished |= killed(*writers, chance.uniform(0, LONGEST))
        there = {path.name for path in folder.iterdir() if shelf.is_id(path.name)}
        assert not wrong(folder, there - seen), "whatever a reader can see is whole, before anything is swept"
        assert finished <= there
        seen = there
        left += any(folder.glob("tmp-*"))
    assert len(finished) >= KILLS
    assert left > KILLS / 10, "most kills came while something was being written"
    store.sweep()
    assert not list(folder.glob("tmp-*"))
    assert not wrong(folder, seen)
    assert all(store.facts(run) for run in finished)
    assert not (folder / "quarantine").exists()


def wrong(folder: Path, names: set[str]) -> list[str]:
    """What is wrong with these entries; a part of what a probe found is whole where it can be read."""
    parts = {name for name in names if store.is_partial(folder / name)}
    unread = [name for name in parts if store.partial(name) is None]
    return unread + [found for name in names - parts if (found := manifest.wrong(folder / name))]


def killed(told: IO[str], said: IO[str], after: float) -> set[str]:
    """Let a writer store its first run, and kill it some seconds after; the runs that it said were stored."""
    told.write("\n")
    told.flush()
    pid = 0
    finished = set()
    for line in said:
        kind, _, number = line.strip().partition(" ")
        if kind == "pid":
            pid = int(number)
        elif kind == "over":
            return finished
        else:
            finished.add(kind)
        if pid and finished:
            time.sleep(after)
            os.kill(pid, signal.SIGKILL)
            pid, after = 0, 0
    raise AssertionError("the writers ended")
