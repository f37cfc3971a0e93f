"""The most surprising passages, with the words around them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SMOOTH = 8  # tokens: the span of one passage
CONTEXT = 60  # characters on each side


@dataclass(frozen=True)
class Passage:
    """token: where its peak is. value: the signal there. before, core, after: the text around it."""

    token: int
    value: float
    before: str
    core: str
    after: str


def passages(
    values: np.ndarray, start: np.ndarray, end: np.ndarray, text: str, count: int = 5
) -> list[Passage]:
    """The `count` peaks of `values` (T,) that lie apart from each other, highest mean over SMOOTH tokens first.

    A single odd token is not yet a passage, so places are ranked by a running mean; the token that is named is
    the highest one in it.
    """
    known = np.nan_to_num(values.astype(np.float64), nan=0.0)
    width = min(SMOOTH, len(known))
    means = np.convolve(known, np.ones(width) / width, mode="valid")
    found: list[Passage] = []
    taken = np.zeros(len(means), bool)
    for place in np.argsort(-means, kind="stable"):
        if len(found) == count or means[place] <= 0:
            break
        if taken[place]:
            continue
        taken[max(0, place - 3 * width) : place + 3 * width] = True
        peak = int(place + np.argmax(known[place : place + width]))
        found.append(_passage(peak, float(values[peak]), int(start[peak]), int(end[peak]), text))
    return found


def _passage(peak: int, value: float, low: int, high: int, text: str) -> Passage:
    low, high = _word(text, low, high)
    before = text[max(0, low - CONTEXT) : low]
    after = text[high : high + CONTEXT]
    return Passage(peak, value, _one_line(before), _one_line(text[low:high]), _one_line(after))


def _word(text: str, low: int, high: int) -> tuple[int, int]:
    """Widen a span to whole words, at most 30 characters either way."""
    while low < high and text[low].isspace():
        low += 1
    for _ in range(30):
        if low > 0 and text[low - 1].isalnum():
            low -= 1
        if high < len(text) and text[high].isalnum():
            high += 1
    return low, high


def _one_line(text: str) -> str:
    return "".join(" " if c.isspace() else c for c in text if c.isprintable() or c.isspace())
