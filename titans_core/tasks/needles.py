"""Needles: RULER's sentences of special magic numbers, words and uuids, and wordings of ours for training."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from titans_core.tasks.compose import Piece, Value
from titans_core.tasks.exam import Exam, Kit
from titans_core.tasks.scatter import Thread

TASKS = ("passkey", "number", "word", "uuid", "multikey", "multivalue", "multiquery")
SPACING = 160  # tokens of a training text for each fact
MOST = 12  # facts in a training text, also a long one: a memory has room for some, not for all
MANY = 4  # keys, values or queries of a multi task

INTRO = (
    "Some special magic {kind}s are hidden within the following text. Make sure to memorize it. "
    "I will quiz you about the {kind}s afterwards.\n"
)
FACT = " One of the special magic {kind}s for{key} is:{value}."
ONE = "What is the special magic {kind} for{key} mentioned in the provided text?"
ONE_PREFIX = " The special magic {kind} for{key} mentioned in the provided text is{answers}"
ALL = "What are all the special magic {kind}s for{key} mentioned in the provided text?"
ALL_PREFIX = " The special magic {kind}s for{key} mentioned in the provided text are{answers}"
BRIEF = " The special magic {kind} for{key} is:{answers}."
BRIEF_ALL = " The special magic {kind}s for{key} are:{answers}."

# Ours: a fact and a question about it.
PARAPHRASES = (
    (" Remember that the secret {kind} of{key} is{value}.", " The secret {kind} of{key} is{answers}."),
    (
        " The {kind} given to{key} was{value}, and it was never changed.",
        " Which {kind} was given to{key}? It was{answers}.",
    ),
    (
        " Write this down: whoever asks for{key} must be told{value}.",
        " Someone asks for{key} and must be told{answers}.",
    ),
    (" On the label of{key} you can read{value}.", " What can you read on the label of{key}? You can read{answers}."),
    (" In the register{key} is entered under{value}.", " Look up{key} in the register. It is entered under{answers}."),
    (
        " They agreed on{value} as the {kind} for{key}.",
        " What {kind} did they agree on for{key}? They agreed on{answers}.",
    ),
)
_FULL = tuple(
    start + question + prefix + "."
    for start in ("\n", " ")
    for question, prefix in ((ONE, ONE_PREFIX), (ONE, ONE_PREFIX), (ALL, ALL_PREFIX))
)


class Needle(NamedTuple):
    key: Value
    values: list[Value]
    kind: str


def intro(task: str) -> str:
    return INTRO.replace("{kind}", _kind(task))


def threads(task: str, kit: Kit, rng: np.random.Generator, length: int) -> list[Thread]:
    """Facts about distinct keys, each asked for once or twice, in mixed wordings.

    About length // 160 of them, twelve at most; in two of five texts but a few, so that not writing most of a text is
    learned too.
    """
    facts = max(1, min(length // SPACING, MOST))
    if rng.random() < 0.4:
        facts = min(facts, int(rng.integers(1, 4)))
    group = int(rng.integers(2, MANY + 1)) if task in ("multivalue", "multiquery") else 1
    if group > 1:
        group = min(group, max(2, facts))
    values = group if task == "multivalue" else 1
    needles = _needles(task, kit, rng, max(1, facts // group) * group // values, values)
    if task == "multikey":  # numbers among words
        words = kit.vocabulary.pairs(rng, len(needles[1::2]))
        needles[1::2] = [Needle(n.key, [word], "word") for n, word in zip(needles[1::2], words, strict=True)]
    size = group if task == "multiquery" else 1
    return [_thread(kit, rng, needles[i : i + size], length) for i in range(0, len(needles), size)]


def exam(task: str, kit: Kit, rng: np.random.Generator) -> Exam:
    """The RULER form: one needle asked for, beside three others in multikey; four values, or four keys, together."""
    keys = MANY if task in ("multikey", "multiquery") else 1
    needles = _needles(task, kit, rng, keys, MANY if task == "multivalue" else 1)
    asked = needles if task == "multiquery" else needles[:1]
    facts = _facts(kit, FACT, asked)
    order = [asked[i] for i in rng.permutation(len(asked))]
    template = ALL + ALL_PREFIX if len(facts) > 1 else ONE + ONE_PREFIX
    return Exam(facts, _question(kit, "\n" + template, order), _facts(kit, FACT, needles[len(asked) :]), intro(task))


def _kind(task: str) -> str:
    return task if task in ("word", "uuid") else "number"


def _needles(task: str, kit: Kit, rng: np.random.Generator, keys: int, values: int) -> list[Needle]:
    vocabulary, kind = kit.vocabulary, _kind(task)
    draw = {"number": vocabulary.numbers, "word": vocabulary.pairs, "uuid": vocabulary.uuids}[kind]
    drawn = draw(rng, keys * values)
    names = vocabulary.keys(rng, keys, kit.pairs)
    return [Needle(key, drawn[i * values : (i + 1) * values], kind) for i, key in enumerate(names)]


def _thread(kit: Kit, rng: np.random.Generator, needles: list[Needle], length: int) -> Thread:
    """One needle, or several asked for together. Short texts get only the short question."""
    dice = rng.random(5).tolist()
    times = 2 if dice[4] < 0.25 and length > 2 * SPACING else 1
    if len(needles) > 1 or len(needles[0].values) > 1:
        order = [needles[i] for i in rng.permutation(len(needles))]
        full = BRIEF_ALL if dice[0] < 0.5 or length < 2 * SPACING else "\n" + ALL + ALL_PREFIX + "."
        return Thread(_facts(kit, FACT, needles), (_question(kit, full, order),) * times)
    fact, own = (FACT, BRIEF) if dice[0] < 0.5 else PARAPHRASES[int(dice[1] * len(PARAPHRASES))]
    asked = [own if dice[2] < 0.5 else BRIEF, own if dice[3] < 0.5 else BRIEF]
    if length >= SPACING:
        asked = [
            _FULL[int(2 * d * len(_FULL))] if d < 0.5 else other for d, other in zip(dice[2:4], asked, strict=True)
        ]
    return Thread(_facts(kit, fact, needles), tuple([_question(kit, a, needles) for a in asked[:times]]))


def _facts(kit: Kit, template: str, needles: list[Needle]) -> tuple[Piece, ...]:
    return tuple(
        [
            kit.composer.fact(template.replace("{kind}", needle.kind), {"key": needle.key, "value": value})
            for needle in needles
            for value in needle.values
        ]
    )


def _question(kit: Kit, template: str, needles: list[Needle]) -> Piece:
    """The values in the order of the keys; several keys are `a, b, c, and d`, as in RULER."""
    values = [value for needle in needles for value in needle.values]
    key = needles[0].key
    if len(needles) > 1:
        first = kit.composer.joined([needle.key for needle in needles[:-1]])
        last = needles[-1].key
        key = Value(
            f"{first.text}, and {last.text}", first.ids + kit.composer.ids(",") + kit.composer.ids(" and") + last.ids
        )
    return kit.composer.question(template.replace("{kind}", needles[0].kind), {"key": key}, values)
