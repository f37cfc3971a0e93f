"""Whether a long trace stays as quick as it began, and how much main memory it takes on the way."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from titans_core.errors import ConfigError
from titans_core.model import Model
from titans_core.slabs import SLAB
from titans_core.tracing import trace


@dataclass(frozen=True)
class Steady:
    """What each quarter of one long trace took.

    quarters: seconds, from the end of the first slab to the last token; resident: bytes of main memory in use at the
    end of each.
    """

    tokens: int
    quarters: tuple[float, ...]
    resident: tuple[int, ...]

    @property
    def seconds(self) -> float:
        return sum(self.quarters)

    @property
    def speed(self) -> float:
        """Tokens a second."""
        return (self.tokens - SLAB) / self.seconds

    @property
    def ratio(self) -> float:
        """Time of the last quarter over that of the first."""
        return self.quarters[-1] / self.quarters[0]

    @property
    def grown(self) -> int:
        """Bytes in use at the end that were not after the first quarter."""
        return self.resident[-1] - self.resident[0]

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "speed": self.speed, "ratio": self.ratio, "grown": self.grown}


def steady(
    model: Model,
    text: str,
    tokens: int,
    *,
    store: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Steady:
    """Trace `text`, repeated until it has `tokens` tokens or a few more, and time its quarters.

    store: a new folder to stream to; it stays. Without it the trace grows in memory. progress(done, total) may raise.
    A short trace goes first, untimed. Raises ConfigError for fewer than five slabs of tokens.
    """
    once = len(model.tokenizer.encode(text).ids)
    if tokens < 5 * SLAB:
        raise ConfigError(f"{tokens} tokens are too few to time quarters of; give at least {5 * SLAB}")
    trace(model, text * -(-2 * SLAB // once))
    passed: list[tuple[int, float, int]] = []

    def note(done: int, total: int) -> None:
        passed.append((done, time.monotonic(), _resident()))
        if progress is not None:
            progress(done, total)

    trace(model, text * -(-tokens // once), store=store, progress=note)
    done, seconds, resident = zip(*passed, strict=True)
    ends = np.linspace(done[0], done[-1], 5)  # the first slab's own time also holds what comes before it
    quarters = np.diff(np.interp(ends, done, seconds))
    return Steady(done[-1], tuple(quarters.tolist()), tuple(np.interp(ends[1:], done, resident).astype(int).tolist()))


def _resident() -> int:
    """Bytes of main memory that this process uses; where the system does not tell, the most it has used."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
