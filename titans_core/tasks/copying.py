"""Copying: a named list of random words, to be repeated later word by word."""

from __future__ import annotations

import numpy as np

from titans_core.tasks.compose import Piece, Value
from titans_core.tasks.exam import Exam, Kit
from titans_core.tasks.scatter import Thread

SPACING = 160  # tokens of a training text for each list
LONGEST = 8  # words in a list, and the length of every list in a test

_FACT = " Here is the list of{key}:{words}."
_QUESTION = "\nRepeat the list of{key}:{answers}"


def threads(kit: Kit, rng: np.random.Generator, length: int) -> list[Thread]:
    """Lists of 3 to 8 words under distinct names, each asked for once or twice."""
    count = max(1, min(length // SPACING, len(kit.vocabulary.words) // 3))
    sizes = rng.integers(3, LONGEST + 1 if length >= SPACING else 5, size=count).tolist()
    twice = (rng.random(count) < 0.25).tolist()
    made = []
    for key, n, two in zip(kit.vocabulary.keys(rng, count), sizes, twice, strict=True):
        words = kit.vocabulary.keys(rng, n)
        question = _question(kit, key, words, _QUESTION + ".")
        made.append(Thread((_fact(kit, key, words),), (question, question) if two else (question,)))
    return made


def exam(kit: Kit, rng: np.random.Generator, length: int) -> Exam:
    """One list of eight words."""
    key, *words = kit.vocabulary.keys(rng, 1 + LONGEST)
    return Exam((_fact(kit, key, words),), _question(kit, key, words, _QUESTION))


def _fact(kit: Kit, key: Value, words: list[Value]) -> Piece:
    return kit.composer.fact(_FACT, {"key": key, "words": kit.composer.spaced(words)})


def _question(kit: Kit, key: Value, words: list[Value], template: str) -> Piece:
    return kit.composer.question(template, {"key": key}, [kit.composer.spaced(words)])
