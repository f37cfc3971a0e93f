"""The memory that jobs need and that there is: estimated before they begin, told where it did not suffice. No torch."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import sys
from pathlib import Path

from app import memories
from app.jobs.times import CHARACTERS
from app.theme import size
from titans_core.config import ModelConfig
from titans_core.errors import ConfigError, TitansError

# Measured by benchmarks/memory_needed.py.
PROCESS = 335e6  # bytes: Python, torch and what they load
SLAB = 512  # tokens that are computed at once
COPIES = 8  # of a slab's logits
A_LAYER = 40  # arrays of a slab's width
HELD = 4_000.0  # bytes a token while its values wait to be written,
A_VALUE = 60.0  # and of each value of the trace beside
WAITING = 32_000  # tokens
A_TOKEN = 200.0  # bytes of its text, its number and where it stands, to the end

CGROUP = Path("/sys/fs/cgroup")
MEMINFO = Path("/proc/meminfo")
M_ARENA_MAX = -8  # of glibc's malloc.h
SHORT = ("can't allocate memory", "out of memory", "not enough memory")  # of torch's allocators


def needed(checkpoint: str, tokens: float) -> float | None:
    """Bytes that a run of so many tokens needs in its worker; None for a checkpoint that cannot be read.

    PROCESS is a part of it, which a worker that is up has taken already.
    """
    recorded = memories.recorded(checkpoint)
    try:
        model, parameters = ModelConfig.from_dict(recorded["model"]), int(recorded["parameters"])
    except (KeyError, TypeError, ValueError, TitansError):
        return None
    slab = 4.0 * SLAB * (COPIES * model.vocab + A_LAYER * model.dim)
    values = model.layers * (13 + 3 * model.heads) * model.has_memory
    waiting = min(tokens, WAITING) * (HELD + A_VALUE * values)
    return PROCESS + 8.0 * parameters + slab + waiting + A_TOKEN * tokens


def refusal(checkpoint: str, text: str) -> str:
    """Why there is too little memory for a run, as a sentence; "" where there is enough or nothing known."""
    there, need = available(), needed(checkpoint, len(text) / CHARACTERS)
    if there is None or need is None or need - PROCESS <= there:
        return ""
    sizes = f"{size(need - PROCESS)} of memory, and {size(there)} are available"
    return f"This needs about {sizes}. A shorter text needs less."


class Room:
    """The memory that one job finds. there: bytes that are available on its device as it begins; None where unknown."""

    def __init__(self, there: float | None) -> None:
        self._there = there
        self._need: float | None = None

    def check(self, checkpoint: str, text: str, device: str) -> None:
        """Raises ConfigError where a run of this text needs more than there is."""
        if (need := needed(checkpoint, len(text) / CHARACTERS)) is not None:
            self._need = need - PROCESS if device == "cpu" else need
        if problem := refusal(checkpoint, text):
            raise ConfigError(problem)

    def ran_out(self, code: str) -> str:
        """What a person is told where it did not suffice."""
        told = (("about {} were needed", self._need), ("{} were available when it began", self._there))
        said = [words.format(size(count)) for words, count in told if count is not None]
        beside = f": {', and '.join(said)}" if said else ""
        return f"Memory ran out during this run{beside}. A shorter text needs less. (error {code})"


def available() -> int | None:
    """Bytes that this process can still take: of the machine, its container and its own limit; None where unknown."""
    found = [value for value in (_machine(), _container(), _own()) if value is not None]
    return max(0, min(found)) if found else None


def _machine() -> int | None:
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in MEMINFO.read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return None


def _container() -> int | None:
    """What is left under the limit of a cgroup; file pages that can be given up count as left."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        limit, used = ((CGROUP / f"memory.{name}").read_text(encoding="ascii").strip() for name in ("max", "current"))
        lines = (CGROUP / "memory.stat").read_text(encoding="ascii").splitlines()
        cached = sum(int(line.split()[1]) for line in lines if line.startswith("inactive_file "))
        return int(limit) - int(used) + cached
    return None


def _own() -> int | None:
    """What is left under RLIMIT_AS."""
    with contextlib.suppress(ImportError, OSError, ValueError, IndexError):
        import resource  # noqa: PLC0415 (not on Windows)

        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        if limit == resource.RLIM_INFINITY:
            return None
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        return limit - pages * os.sysconf("SC_PAGE_SIZE")
    return None


def is_short(error: BaseException) -> bool:
    """Whether memory ran out, of the machine or of a device."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in SHORT)


def give_back() -> None:
    """Between two jobs: free what only refers to itself, and return to the system what glibc keeps of it."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


def in_few_heaps() -> None:
    """Before threads begin: let glibc serve all of them from two heaps, where it opens up to eight for each core.

    A heap is given back by whole pages, and a server's many threads leave a little in each page of each of them.
    """
    if sys.platform == "linux":
        with contextlib.suppress(AttributeError):  # another C library
            ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)


def go_first() -> None:
    """Where the machine runs out of memory, let the system end this process before the server."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("800", encoding="ascii")
