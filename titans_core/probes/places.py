"""The place of a fact in a document: found where it stands, or planted."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np

from titans_core.errors import ConfigError, TextError
from titans_core.tokenizer import Encoding

LEAST, MOST = 16, 64  # tokens of a passage
# Where a sentence may be put in: after a sentence's end and the space behind it, or at the beginning of a line.
_GAP = re.compile(r"(?<=[.!?…])[\"'”’)\]]*\s+|\n+|(?<=[。！？])")


class Place(NamedTuple):
    """text: the document; start, end: the characters of the fact in it."""

    text: str
    start: int
    end: int


def find(text: str, fact: str) -> Place:
    """Where the fact stands first. Raises TextError where it does not, or is empty."""
    at = text.find(fact) if fact.strip() else -1
    if at < 0:
        said = f"{fact[:60]!r} does not stand in the document" if fact.strip() else "the fact is empty"
        raise TextError(f"{said}; give words exactly as the document has them, or plant them")
    return Place(text, at, at + len(fact))


def plant(text: str, fact: str, depth: float) -> Place:
    """The document with the fact put in between two sentences, the nearest to `depth` of its characters, 0..1.

    Raises TextError for an empty fact and for one that the document has already, ConfigError for another depth.
    """
    if not fact.strip():
        raise TextError("the fact is empty; give a sentence to be planted")
    if not 0 <= depth <= 1:
        raise ConfigError(f"depth is {depth!r}; it is a share of the document from 0 (its beginning) to 1 (its end)")
    if fact.strip() in text:
        raise TextError(f"{fact[:60]!r} stands in the document already; probe it there, or plant another fact")
    gaps = [0, *(gap.end() for gap in _GAP.finditer(text)), len(text)]
    at = min(gaps, key=lambda gap: abs(gap - depth * len(text)))
    # A space of ours also where one stands already, so that it can be told whose it is when the fact is taken out.
    before = " " if at and (not text[at - 1].isspace() or (at == len(text) and text[-1] == " ")) else ""
    after = " " if at < len(text) and (not text[at].isspace() or text[at] == " ") else ""
    start = at + len(before)
    return Place(text[:at] + before + fact.strip() + after + text[at:], start, start + len(fact.strip()))


def tokens_of(encoding: Encoding, place: Place) -> tuple[int, int]:
    """The first token that holds a character of the fact, and the one after the last."""
    start = int(np.searchsorted(encoding.end, place.start, side="right"))
    return start, int(np.searchsorted(encoding.start, place.end, side="left"))


def passages(encoding: Encoding, text: str) -> np.ndarray:
    """Borders (N + 1,), in tokens, of the passages that all of the text is cut into.

    A passage is a sentence, or as many short ones as make LEAST tokens; one of over MOST is cut.
    """
    count = len(encoding.ids)
    begins = np.searchsorted(encoding.end, [gap.end() for gap in _GAP.finditer(text)], side="right")
    borders = [0]
    for border in (*begins.tolist(), count):
        if border - borders[-1] < LEAST and border < count:
            continue
        pieces = -(-(border - borders[-1]) // MOST)
        borders += np.linspace(borders[-1], border, pieces + 1).round().astype(int)[1:].tolist()
    return np.array(borders)
