"""The answer of a sanity check in words and as a table."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from app.figures.sanity import READINGS, TOGETHER, WORDS, Answer, Estimate, estimate, in_words, interval, layers, share
from app.theme import count


def sentence(answer: Answer, layer: int, chosen: bool) -> str:
    """What it means for this run. chosen: the layer was chosen, rather than being the one that stands out."""
    own = estimate(answer, "as_is", layer, TOGETHER)
    where = f"In layer {layer + 1}" + ("" if chosen or layers(answer) == 1 else ", where the three say most,")
    if math.isnan(own.value):
        return f"{where} surprise hardly varies on this text, or is not defined, so there is nothing to compare."
    shuffled, blank = (estimate(answer, key, layer, TOGETHER) for key in ("shuffled", "untrained"))
    return (
        f"{where} about {share(own.value)} of how surprise ranks the tokens follows from the three together "
        f"({interval(TOGETHER, own)}). On the shuffled text it is {_beside(shuffled, own)}; in an untrained model of "
        f"the same shape, {_beside(blank, own)}."
    )


def _beside(other: Estimate, own: Estimate) -> str:
    """A yardstick against this text: "12 %, clearly less". Clearly: the intervals do not overlap."""
    if math.isnan(other.value):
        return "not defined"
    if other.high < own.low:
        return f"{share(other.value)}, clearly less"
    return f"{share(other.value)}, " + ("clearly more" if other.low > own.high else "no clear difference")


def read(answer: Answer) -> str:
    """How much was read, and in how many parts the text was shuffled."""
    tokens, whole = answer["tokens"], answer["text_tokens"]
    parts = {"sentence": "sentences", "stretch": "stretches of a few tokens"}[answer["unit"]]
    part = f"all {count(tokens)}" if tokens == whole else f"the first {tokens:,} of {count(whole)}"
    return f"Read: {part}. Shuffled: {answer['units']:,} {parts} in another order."


def intervals(answer: Answer, layer: int) -> str:
    """How the intervals were made, and how many tokens are left out."""
    blocks = [answer[reading.key]["block"] for reading in READINGS]
    left_out = answer["as_is"]["layers"][layer]["excluded"]
    return (
        f"Intervals: 95 %, {answer['as_is']['resamples']} resamples in blocks of {count(blocks[0])} "
        f"(shuffled {blocks[1]}, untrained {blocks[2]}), seed {answer['seed']}. "
        f"Left out: {count(left_out)} without a value, as the first is without surprisal."
    )


def summary(answer: Answer, layer: int) -> str:
    """The figure in words, for people who cannot see it."""
    rows = []
    for name, words in WORDS.items():
        found = (f"{r.words} {in_words(name, estimate(answer, r.key, layer, name))}" for r in READINGS)
        rows.append(f"{words}: {'; '.join(found)}")
    return f"Surprise in layer {layer + 1} against three plain properties of the tokens. " + ". ".join(rows) + "."


def table(answer: Answer) -> tuple[str, pd.DataFrame]:
    """(what the rows are, a row a layer and measure: value and ends of the interval of each reading)."""
    rows = []
    for layer in range(layers(answer)):
        for name, words in WORDS.items():
            row: dict[str, Any] = {"layer": layer + 1, "compared with": words}
            for reading in READINGS:
                found = estimate(answer, reading.key, layer, name)
                row |= {reading.words: found.value, f"{reading.words}, low": found.low}
                row |= {f"{reading.words}, high": found.high}
            rows.append(row)
    note = "Rank correlation ρ of surprise with each; of all three together, the share (0 to 1) of the variance of "
    effective = (answer["as_is"]["layers"][layer]["effective"] for layer in range(layers(answer)))
    worth = ", ".join("–" if math.isnan(count) else f"{count:,.0f}" for count in effective)
    return (
        f"{note}its ranks. Low and high: 95 % interval. As neighbours are alike, this text's tokens are worth {worth} "
        f"independent ones in layers 1 to {layers(answer)}.",
        pd.DataFrame(rows).round(4),
    )
