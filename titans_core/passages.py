"""The most surprising passages, with the words around them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SPAN = 6  # tokens of one passage
CONTEXT = 28  # characters on each side


@dataclass(frozen=True)
class Passage:
    """token: where its peak is. value: mean over its SPAN tokens. core: its words; before, after: the text around."""

    token: int
    value: float
    before: str
    core: str
    after: str


def passages(
    values: np.ndarray, start: np.ndarray, end: np.ndarray, text: str, count: int = 5, skip: int = 0
) -> list[Passage]:
    """The `count` passages of `values` (T,) that lie apart from each other, highest mean over SPAN tokens first.

    The first `skip` tokens are left out.
    """
    known = np.nan_to_num(values.astype(np.float64), nan=0.0)
    width = min(SPAN, len(known))
    means = np.convolve(known, np.ones(width) / width, mode="valid")
    found: list[Passage] = []
    taken = np.zeros(len(means), bool)
    taken[: min(skip, len(means) - 1)] = True
    for place in np.argsort(-means, kind="stable"):
        if len(found) == count or means[place] <= 0:
            break
        if taken[place]:
            continue
        taken[max(0, place - 3 * width) : place + 3 * width] = True
        peak = int(place + np.argmax(known[place : place + width]))
        low, high = _words(text, int(start[place]), int(end[place + width - 1]))
        first, last = _words(text, max(0, low - CONTEXT), min(len(text), high + CONTEXT))
        before, after = text[min(first, low) : low], text[high : max(last, high)]
        mean = float(means[place])
        found.append(Passage(peak, mean, _one_line(before), _one_line(text[low:high]), _one_line(after)))
    return found


def inside_segments(values: np.ndarray, segment: int | None) -> np.ndarray:
    """values (T,) with NaN at the first token of every segment but the first.

    segment: tokens of MAC's segments; None for other variants. There attention has nothing of the segment to
    look at yet, so that any token is a surprise.
    """
    if segment is None:
        return values
    kept = np.array(values, np.float32)
    kept[segment::segment] = np.nan
    return kept


def _words(text: str, low: int, high: int) -> tuple[int, int]:
    """Widen a span to whole words, at most 20 characters either way."""
    while low < high and text[low].isspace():
        low += 1
    for _ in range(20):
        if 0 < low < len(text) and text[low - 1].isalnum() and text[low].isalnum():
            low -= 1
        if 0 < high < len(text) and text[high - 1].isalnum() and text[high].isalnum():
            high += 1
    return low, high


def _one_line(text: str) -> str:
    return "".join(" " if c.isspace() else c for c in text if c.isprintable() or c.isspace())
