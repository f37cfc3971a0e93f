"""Opening a page: where in the text, what a browser draws first, and waiting until it has."""

from __future__ import annotations

import threading
import time
from itertools import pairwise

import numpy as np

PATIENCE = 2.0  # seconds that the rest waits at most; a page in the background draws nothing
FEW = 1_000  # highest tokens among which a word is looked for
FIRST = ("text", "timelines")  # what a browser draws first: all else keeps it from that
_awaited: dict[str, dict[str, threading.Event]] = {}  # run -> part -> a browser that opens it has drawn that part


def announce(run: str) -> None:
    """A browser opens the page of this run, and will tell when it has drawn the parts that come first."""
    if len(_awaited) < 1_000:
        _awaited.setdefault(run, {part: threading.Event() for part in FIRST})


def drawn(run: str, part: str) -> None:
    """A browser tells that it has drawn one of FIRST. Of what nobody waits for, nothing is noted."""
    event = _awaited.get(run, {}).get(part)
    if event is not None:
        event.set()


def after_first(run: str) -> None:
    """Wait for FIRST where a browser was announced. One that does not draw them is not waited for again."""
    until = time.monotonic() + PATIENCE
    for event in _awaited.get(run, {}).values():
        event.wait(max(0, until - time.monotonic()))
    _awaited.pop(run, None)


def highest_word(values: np.ndarray, start: np.ndarray, end: np.ndarray, text: str, skip: int = 0) -> int:
    """Where a text opens: the highest of `values` (T,) among tokens (text start..end) in which a word begins.

    The first `skip` tokens are left out, and what is not defined. If none of the FEW highest is a word, the highest.
    """
    known = np.where(np.isfinite(values), values, -np.inf)
    known[: min(skip, len(known) - 1)] = -np.inf
    few = np.argpartition(-known, FEW)[:FEW] if len(known) > FEW else np.arange(len(known))
    highest = few[np.argsort(-known[few], kind="stable")]
    words = (int(t) for t in highest if known[t] > -np.inf and _begins(text, start[t], end[t]))
    return next(words, int(highest[0]))


def _begins(text: str, start: int, end: int) -> bool:
    """Whether a word begins in these characters: a letter or a digit that follows none."""
    before = text[start - 1] if start else " "
    return any(now.isalnum() and not last.isalnum() for last, now in pairwise(before + text[start:end]))
