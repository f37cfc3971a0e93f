"""What is read of the traces of finished runs, and kept."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from app.exports.passages import highest
from app.figures import aggregate, scale, token
from app.kept import Kept
from app.runs import trace
from titans_core import lineage, passages
from titans_core.lasting import lasting


def _read(key: tuple[str, str, int | None]) -> np.ndarray:
    run, signal, layer = key
    values = aggregate.column(trace(run), signal, layer)
    values.flags.writeable = False
    return values


# Each counts 100 kB more than it has: of short texts, which are read in a few ms, no more than 600 need be kept.
_columns = Kept(64_000_000, _read, lambda values: 100_000 + values.nbytes)


def column(run: str, signal: str, layer: int | None) -> np.ndarray:
    """aggregate.column of a run; read-only float32 (T,). Raises KeyError for an unknown run or signal."""
    return _columns((run, signal, layer))


@functools.lru_cache(maxsize=96)
def shared_scale(runs: tuple[str, ...], signal: str, layer: int | None) -> scale.Scale:
    """The colour scale of one signal over all of `runs` that have it."""
    columns = [column(run, signal, layer) for run in runs if signal in trace(run)]
    return scale.shared(columns, signal, skip=aggregate.settling(trace(runs[0])))


LASTING = "lasting"  # what is left of a token's write at the end of the text: no signal of the moment it was read


@functools.lru_cache(maxsize=96)
def found(run: str, signal: str, layer: int | None) -> list[passages.Passage]:
    """The passages where the signal (or LASTING) is highest."""
    ds = trace(run)
    return highest(ds, lasting(ds, layer) if signal == LASTING else column(run, signal, layer))


@functools.lru_cache(maxsize=256)
def lineage_of(run: str, at: int, layer: int | None, most: int) -> lineage.Lineage:
    """Raises ConfigError where the run diverged, or was stored without the gates of each head."""
    return lineage.lineage(trace(run), at, layer, most)


@functools.lru_cache(maxsize=256)
def fate_of(run: str, at: int, layer: int | None) -> lineage.Fate:
    """Raises ConfigError as `lineage_of` does."""
    return lineage.fate(trace(run), at, layer)


@functools.lru_cache(maxsize=256)
def signals_at(run: str, at: int, layer: int | None) -> list[dict[str, Any]]:
    """token.values of a token; not to be changed."""
    return token.values(trace(run), at, layer)


@functools.lru_cache(maxsize=1_000)
def still(run: str, at: int, layer: int | None, names: tuple[str, ...] = token.MOVES) -> bool:
    """token.still of a run."""
    return token.still(trace(run), at, layer, names)
