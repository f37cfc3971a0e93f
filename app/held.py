"""The memories that are kept beside runs: what they hold, and how far two are apart. Kept by their names."""

from __future__ import annotations

import functools

from app import runs
from app.kept import Kept
from titans_core import memory_file
from titans_core.errors import StoreError
from titans_core.memory_file import Distance, Held, Measures


def at_end(run: str) -> str:
    """The name of the memory at the end of the run with this id, as in Job; "" where none is kept."""
    return _stored(f"{run}/memory")


def at_start(run: runs.Run) -> str | None:
    """The name of the memory that a run began with; "" for an empty one, None for one that is not kept here."""
    if "memory_from" not in run.ds.attrs:
        return ""
    return _stored(f"{run.id}/began") or None


def _stored(name: str) -> str:
    return name if runs.engine().memory(name) is not None else ""


def _read(name: str) -> Held:
    path = runs.engine().memory(name)
    if path is None:
        raise StoreError("the memory is not stored here any more")
    try:
        return memory_file.read(path.read_bytes(), path.name)
    except OSError as error:
        raise StoreError(f"the memory cannot be read: {error.strerror or error}") from error


def _size(held: Held) -> int:
    return sum(w.nbytes for layers in (*held.weights, *held.momentum) for w in layers)


memory = Kept(64_000_000, _read, _size)  # Held of a name. Raises StoreError where it is gone or damaged


@functools.lru_cache(maxsize=96)
def measures(name: str) -> Measures:
    """Raises StoreError as `memory` does."""
    return memory_file.measures(memory(name))


@functools.lru_cache(maxsize=96)
def distance(one: str, other: str) -> Distance:
    """Raises StoreError as `memory` does, and ConfigError for memories of different models."""
    return memory_file.distance(memory(one), memory(other))
