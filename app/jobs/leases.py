"""What is in use: entries that somebody has open, and drafts that somebody writes, are locked in the file system.

So every process that shares the folder sees it, and nothing stays in use after the death of who used it.
"""

from __future__ import annotations

import threading
from collections.abc import Collection

from app.jobs import locks, shelf

_guard = threading.Lock()
_open: dict[str, int | None] = {}  # run -> handle
_users: dict[str, frozenset[str]] = {}  # who -> runs
_drafts: dict[str, int | None] = {}


def used_by(who: str) -> frozenset[str]:
    return _users.get(who, frozenset())


def use(who: str, runs: Collection[str], *, more: bool = False) -> list[str]:
    """From now on `who` has these entries open, as far as they are there, and no others. Returns those new to it.

    more: beside those it had. Call it as the one writer.
    """
    wanted = frozenset(run for run in runs if shelf.is_id(run)) | (used_by(who) if more else frozenset())
    with _guard:
        new = wanted - used_by(who)
        _users[who] = frozenset(run for run in wanted if run in _open or _take(run))
        if not _users[who]:
            del _users[who]
        needed = frozenset().union(*_users.values())
        for run in [run for run in _open if run not in needed]:
            locks.unlock(_open.pop(run))
        return sorted(new & used_by(who))


def _take(run: str) -> bool:
    try:
        _open[run] = locks.lock(shelf.root() / run, shared=True)
    except OSError:
        return False
    return shelf.is_folder(shelf.root() / run)


def in_use(run: str) -> bool:
    """Whether anybody, in any process, has the entry open."""
    return run in _open or locks.is_locked(shelf.root() / run)


def begin(run: str) -> None:
    """This process writes the draft of `run`."""
    with _guard:
        locks.unlock(_drafts.pop(run, None))
        _drafts[run] = locks.lock(shelf.draft_of(run))


def end(run: str) -> None:
    with _guard:
        locks.unlock(_drafts.pop(run, None))


def being_written(draft: str) -> bool:
    """Whether the writer of a draft, by the name of its folder, is alive."""
    return draft.removeprefix("tmp-") in _drafts or locks.is_locked(shelf.root() / draft)
