"""What the worker says of a job that is going on."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from app.jobs import memory, store

PROGRESS_EVERY = 0.1  # seconds between two progress lines


class Cancelled(Exception):
    """Raised inside a run whose cancel was asked for."""


class Progress:
    """Tells how many tokens are done, not too often; raises Cancelled where that was asked for."""

    def __init__(self, run: str, say: Callable[..., None], stop: Callable[[str], None]) -> None:
        self._run, self._say, self._stop, self._last = run, say, stop, 0.0

    def __call__(self, done: int, total: int) -> None:
        self._stop(self._run)
        now = time.monotonic()
        if now - self._last >= PROGRESS_EVERY:
            self._last = now
            self._say(event="running", id=self._run, done=int(done), total=int(total))


class Telling:
    """app.jobs.probe.Tell of the probe of id `name`. read: the tokens of the latest `progress`."""

    def __init__(self, name: str, progress: Progress, memo: dict[Any, Any]) -> None:
        self._name, self._progress = name, progress
        self.before, self.memo, self.read = store.partial(name), memo, 0

    def progress(self, done: int, total: int) -> None:
        self.read = int(done)
        self._progress(done, total)

    def partial(self, answer: dict[str, Any]) -> None:
        store.keep_partial(self._name, answer)


def plain(error: Exception, code: str, room: memory.Room) -> str:
    """What a person is told of an unexpected error; the rest is in the log under `code`."""
    if memory.is_short(error):
        return room.ran_out(code)
    if isinstance(error, OSError) and error.errno == 28:
        return f"The disk is full, so the trace could not be stored. (error {code})"
    return f"The run stopped because of an internal error. The server log has the details under error {code}."
