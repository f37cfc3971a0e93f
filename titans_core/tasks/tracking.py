"""Variable tracking, as in RULER: `VAR A = 12345`, `VAR B = VAR A`; which variables hold a value, what one holds."""

from __future__ import annotations

import numpy as np

from titans_core.tasks.compose import Piece, Value
from titans_core.tasks.exam import Exam, Kit
from titans_core.tasks.scatter import Thread

SPACING = 160  # tokens of a training text for each statement
HOPS = 4  # of a test's chain, as in RULER

_FIRST = " VAR{name} ={value}."
_NEXT = " VAR{name} = VAR{other}."
_WHICH = "\nFind all variables that are assigned the value{value} in the text above. They are{answers}"
_WHAT = " VAR{name} holds{answers}."


def threads(kit: Kit, rng: np.random.Generator, length: int) -> list[Thread]:
    """Chains of one to five variables. Half of the questions ask for all names, half for the value of one."""
    statements = max(1, min(length // SPACING, len(kit.vocabulary.words) // 3))
    made = []
    while statements > 0:
        count = int(rng.integers(1, min(HOPS + 1, statements) + 1))
        statements -= count
        names = kit.vocabulary.names(rng, count)
        value = kit.vocabulary.numbers(rng, 1, digits=5)[0]
        question = kit.composer.question(_WHAT, {"name": names[int(rng.integers(count))]}, [value])
        if rng.random() < 0.5 and length >= SPACING:
            question = kit.composer.question(_WHICH + ".", {"value": value}, names)
        made.append(Thread(_chain(kit, names, value), (question,)))
    return made


def exam(kit: Kit, rng: np.random.Generator, length: int) -> Exam:
    """One chain of four hops; all five names are asked for, in the order of the text."""
    names = kit.vocabulary.names(rng, HOPS + 1)
    value = kit.vocabulary.numbers(rng, 1, digits=5)[0]
    return Exam(_chain(kit, names, value), kit.composer.question(_WHICH, {"value": value}, names))


def _chain(kit: Kit, names: list[Value], value: Value) -> tuple[Piece, ...]:
    first = kit.composer.fact(_FIRST, {"name": names[0], "value": value})
    pairs = zip(names[1:], names, strict=False)
    return (first, *(kit.composer.fact(_NEXT, {"name": name, "other": other}) for name, other in pairs))
