"""What the worker says of a job that is going on."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from typing import Any

from app.bare import bare
from app.jobs import memory, store
from titans_core.errors import TitansError

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

    def __init__(
        self, name: str, progress: Progress, memo: dict[Any, Any], keep: Callable[[str, dict[str, Any]], None]
    ) -> None:
        self._name, self._progress, self._keep = name, progress, keep
        self.before, self.memo, self.read = store.partial(name), memo, 0

    def progress(self, done: int, total: int) -> None:
        self.read = int(done)
        self._progress(done, total)

    def partial(self, answer: dict[str, Any]) -> None:
        self._keep(self._name, answer)


FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def said(error: TitansError, code: str) -> str:
    """What a person is told of an error that has words of its own: those, unless a full disk caused it."""
    return _full(code) if is_full(error) else bare(error)


def plain(error: Exception, code: str, room: memory.Room) -> str:
    """What a person is told of an unexpected error; the rest is in the log under `code`."""
    if memory.is_short(error):
        return room.ran_out(code)
    if is_full(error):
        return _full(code)
    return f"The run stopped because of an internal error. The server log has the details under error {code}."


def is_full(error: BaseException | None) -> bool:
    """Whether an error came of a disk, or a share of one, that takes no more."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        if isinstance(error, OSError) and error.errno in FULL:
            return True
        seen.append(error)
        error = error.__cause__ or error.__context__
    return False


def _full(code: str) -> str:
    return f"The disk is full, so the run could not be stored. Free some space and run it again. (error {code})"
