"""The memory that jobs need and that there is: estimated before they begin, told where it did not suffice. No torch."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
MEMINFO = Path("/proc/meminfo")
SHORT = ("can't allocate memory", "out of memory", "not enough memory")  # of torch's allocators


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


def go_first() -> None:
    """Where the machine runs out of memory, let the system end this process before the server."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("800", encoding="ascii")
