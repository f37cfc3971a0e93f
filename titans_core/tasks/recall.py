"""Associative recall: lines such as `amber: 4821.` or `amber: harbor.`, asked for again as `amber:`."""

from __future__ import annotations

import numpy as np

from titans_core.tasks.compose import Value
from titans_core.tasks.exam import Exam, Kit
from titans_core.tasks.scatter import Thread

SPACING = 48  # tokens of a training text for each pair
PAIRS = 8  # in a test, one of them asked for

_FACT = "\n{key}:{value}."
_QUESTION = "\n{key}:{answers}"


def threads(kit: Kit, rng: np.random.Generator, length: int) -> list[Thread]:
    """Pairs with distinct keys, each asked for once or twice."""
    count = max(1, min(length // SPACING, len(kit.vocabulary.words) // 3))
    twice = (rng.random(count) < 0.25).tolist()
    made = []
    for (key, value), two in zip(_pairs(kit, rng, count), twice, strict=True):
        fact = kit.composer.fact(_FACT, {"key": key, "value": value})
        question = kit.composer.question(_QUESTION + ".", {"key": key}, [value])
        made.append(Thread((fact,), (question, question) if two else (question,)))
    return made


def exam(kit: Kit, rng: np.random.Generator, length: int) -> Exam:
    """Up to eight pairs, fewer in a text under 256 tokens; the key of one of them asks for its value."""
    pairs = _pairs(kit, rng, PAIRS if not length else max(1, min(PAIRS, length // 32)))
    facts = [kit.composer.fact(_FACT, {"key": key, "value": value}) for key, value in pairs]
    question = kit.composer.question(_QUESTION, {"key": pairs[0][0]}, [pairs[0][1]])
    return Exam((facts[0],), question, tuple(facts[1:]))


def _pairs(kit: Kit, rng: np.random.Generator, count: int) -> list[tuple[Value, Value]]:
    """Keys that differ from each other and from every word that is a value."""
    drawn = kit.vocabulary.keys(rng, 2 * count)
    numbers = kit.vocabulary.numbers(rng, count, digits=4)
    coins = (rng.random(count) < 0.5).tolist()
    words = zip(drawn[:count], drawn[count:], numbers, coins, strict=True)
    return [(kit.composer.bare(key), number if coin else word) for key, word, number, coin in words]
