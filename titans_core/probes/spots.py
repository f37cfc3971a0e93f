"""What a needle grid asks: its cells, their texts, and where the effective length ends. No torch here."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from titans_core.assets import ROOT
from titans_core.errors import ConfigError, TextError
from titans_core.evaluation.cells import CONTROLS
from titans_core.tasks import Episode, TaskSource
from titans_core.tasks.background import Prose
from titans_core.tokenizer import Tokenizer

TASKS = ("number", "word", "passkey")  # passkey hides in one line that is repeated, the others in the document
MOST = 1 << 24  # tokens of a text, which is laid out as a whole


class Spot(NamedTuple):
    """A cell of the grid of one model. length: tokens of a text; depth: 0 (its beginning) to 1 (its end)."""

    task: str
    length: int
    depth: float
    control: str = "live"


class Found(NamedTuple):
    """What became of the n texts of a length and depth."""

    length: int
    n: int
    right: int


def haystack(tokenizer: Tokenizer, document: str | None = None) -> TaskSource:
    """Needles with words and numbers never drawn in training, in `document`, or in the sample texts.

    A text longer than the document is made of several stretches of it. Raises TextError for a document without a full
    sentence.
    """
    texts = [document] if document is not None else [p.read_text("utf-8") for p in sorted(ROOT.glob("samples/*.txt"))]
    stream = np.concatenate([np.append(ids, tokenizer.separator) for ids in tokenizer.encode_ids(texts)])
    try:
        return TaskSource(tokenizer, "test", Prose(stream, tokenizer), pairs=1.0)
    except ConfigError as error:
        raise TextError(f"the document cannot hide a fact: {error}") from None


def text(source: TaskSource, spot: Spot, i: int, seed: int) -> Episode:
    """Text number i of a cell, from 0; the same for every model of one tokenizer.

    Raises ConfigError for a length that holds none or is over MOST, and for another depth or task.
    """
    if spot.task not in TASKS:
        raise ConfigError(f"there is no needle {spot.task!r}; there are {', '.join(TASKS)}")
    if spot.control not in CONTROLS:
        raise ConfigError(f"there is no control {spot.control!r}; there are {', '.join(CONTROLS)}")
    if spot.length > MOST:
        raise ConfigError(f"length is {spot.length:,}; a text can have up to {MOST:,} tokens")
    places = [seed, zlib.crc32(spot.task.encode()), spot.length, round(spot.depth * 1_000_000), i]
    rng = np.random.default_rng(np.random.SeedSequence(places))
    return source.test(spot.task, rng, spot.length, depth=spot.depth, absent=spot.control == "absent")


def texts(source: TaskSource, spot: Spot, n: int, seed: int) -> list[Episode]:
    """The first n texts of a cell. Raises ConfigError as `text` does."""
    return [text(source, spot, i, seed) for i in range(n)]


def effective_length(cells: Iterable[Found], threshold: float) -> int | None:
    """The first length at which less than `threshold` of all texts, of all depths, were answered; None: at none."""
    right: dict[int, list[int]] = {}
    for cell in cells:
        totals = right.setdefault(cell.length, [0, 0])
        totals[0] += cell.right
        totals[1] += cell.n
    below = [length for length, (good, n) in sorted(right.items()) if good < threshold * n]
    return below[0] if below else None


def table(found: Sequence[dict[str, Any]]) -> list[list[Any]]:
    """One cell a row, for CSV: rate with Wilson's interval, and how many answers were wrong in which way."""
    kinds = ("other", "invented", "malformed")
    head = ["checkpoint", "task", "length", "depth", "control", "n", "right", "rate", "low", "high", *kinds]
    return [head, *([*(one[name] for name in head[:-3]), *(one["kinds"].get(k, 0) for k in kinds)] for one in found)]
