"""Locks of folders that every process sees, and that the system takes away from one that dies."""

from __future__ import annotations

import os
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: one process at a time is held apart there, and a folder in use cannot be removed
    fcntl = None  # type: ignore[assignment]


def lock(path: Path, *, shared: bool = False, wait: bool = True) -> int | None:
    """A handle that keeps others from locking this folder until it is closed; None where the system has no such locks.

    Raises BlockingIOError where another has it and `wait` is false, and OSError where there is no such folder.
    """
    if fcntl is None:
        return None
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        os.close(handle)
        raise
    return handle


def unlock(handle: int | None) -> None:
    if handle is not None:
        os.close(handle)


def is_locked(path: Path) -> bool:
    """Whether somebody, this process among them, has locked the folder."""
    try:
        unlock(lock(path, wait=False))
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
