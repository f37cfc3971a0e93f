"""The colour scale that all shown panels share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.theme import SIGNALS


@dataclass(frozen=True)
class Scale:
    """low, high: values at the ends of the colours. above, below: how many tokens lie outside. rule: in words."""

    low: float
    high: float
    above: int
    below: int
    rule: str


def shared(columns: Sequence[np.ndarray], signal: str, skip: int = 0, of: str = "") -> Scale:
    """One scale for all columns (each (..., T)): robust for magnitudes, fixed for shares and cosines.

    Surprise is heavy-tailed: with the largest value at the top almost every token would look the same, so the
    colours end at the 1st and 99th percentile over everything given, the first `skip` values of each left out.
    of: what the values are of, for the rule: " of bins of 128 tokens".
    """
    kind = SIGNALS[signal].kind
    if kind == "cosine":
        return Scale(-1.0, 1.0, 0, 0, "fixed from −1 to 1")
    values = _finite(columns)
    settled = _finite([c[..., skip:] for c in columns]) if skip else values
    if not len(settled):
        return Scale(0.0, 1.0, 0, 0, "no value is defined")
    low, high = (float(q) for q in np.percentile(settled, [1, 99]))
    if kind == "share" or (kind == "gate" and high >= 0.1):
        return Scale(0.0, 1.0, 0, 0, "fixed from 0 to 1")
    if kind == "gate":
        low, rule = 0.0, f"from 0 to the 99th percentile{of}, because it stays far below 1"
    else:
        rule = f"from the 1st to the 99th percentile{of}" + (f" after token {skip}" if skip else "")
    if high <= low:
        high, rule = low + max(abs(low), 1e-6), "all values are the same; the colours end at its double"
    return Scale(low, high, int((values > high).sum()), int((values < low).sum()), rule)


def centred(values: np.ndarray, skip: int = 0) -> Scale:
    """The scale of differences: zero in the middle, both ends at the 99th percentile of their sizes.

    The first `skip` values are left out.
    """
    known = _finite([values])
    settled = np.abs(_finite([values[..., skip:]]))
    if not len(settled):
        return Scale(-1.0, 1.0, 0, 0, "nothing is defined in both")
    if not settled.any():
        return Scale(-1.0, 1.0, int((known > 1).sum()), int((known < -1).sum()), "no difference")
    end, rule = float(np.percentile(settled, 99)), "the 99th percentile of all sizes"
    if not end:  # most are the same
        end, rule = float(settled.max()), "the largest, as nearly all are zero"
    after = f" after token {skip}" if skip else ""
    above, below = int((known > end).sum()), int((known < -end).sum())
    return Scale(-end, end, above, below, f"centred at zero, ends at {rule}{after}")


def _finite(columns: Sequence[np.ndarray]) -> np.ndarray:
    values = np.concatenate([np.empty(0, np.float32), *(np.asarray(c, np.float32).ravel() for c in columns)])
    return values[np.isfinite(values)]
