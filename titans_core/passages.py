"""The most surprising passages, each of other words, with the words around them."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

SPAN = 6  # tokens of one passage
CONTEXT = 28  # characters on each side
TRIED = 500  # passages apart from each other that are looked at: a text may say the same a thousand times


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
    """At most `count` passages of `values` (T,), highest mean over SPAN tokens first.

    What is shown of two of them never overlaps, and no two are of mostly the same words: of a refrain the highest
    stands for all. The first `skip` tokens are left out.
    """
    known = np.nan_to_num(values.astype(np.float64), nan=0.0)
    width = min(SPAN, len(known))
    means = np.convolve(known, np.ones(width) / width, mode="valid")
    found: list[Passage] = []
    shown: list[tuple[int, int]] = []  # characters of those found
    tried = 0
    taken = np.zeros(len(means), bool)
    taken[: min(skip, len(means) - 1)] = True
    for place in np.argsort(-means, kind="stable"):
        if len(found) == count or tried == TRIED or means[place] <= 0:
            break
        if taken[place]:
            continue
        taken[max(0, place - 3 * width) : place + 3 * width] = True
        tried += 1
        peak = int(place + np.argmax(known[place : place + width]))
        low, high = _words(text, int(start[place]), int(end[place + width - 1]))
        first, last = _words(text, max(0, low - CONTEXT), min(len(text), high + CONTEXT))
        begin, stop = min(first, low), max(last, high)
        core = _one_line(text[low:high])
        overlaps = any(begin < other_stop and other_begin < stop for other_begin, other_stop in shown)
        if overlaps or any(_alike(core, other.core) for other in found):
            continue
        shown.append((begin, stop))
        before, after = _one_line(text[begin:low]), _one_line(text[high:stop])
        found.append(Passage(peak, float(means[place]), before, core, after))
    return found


def _alike(one: str, other: str) -> bool:
    """Whether half of the longer words of either are in the other."""
    words, others = _telling(one), _telling(other)
    return 2 * len(words & others) >= min(len(words), len(others))


def _telling(core: str) -> set[str]:
    """The words of more than three letters; where there are none, all words, or else the whole."""
    words = set(re.findall(r"\w+", core.casefold()))
    return {word for word in words if len(word) > 3} or words or {core.strip()}


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
