"""What the charts of recall say in words and in tables. Every number is one of the answer."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from app import theme
from app.figures import recall, recall_held
from app.figures.recall import CONTROLS, Answer
from app.figures.recall_held import LINES, LOSS
from app.figures.recall_lines import OWN, Line

SAID = ("memory", *CONTROLS)


def note(answers: Mapping[str, Answer]) -> str:
    """Beside the title: how much was asked."""
    times = {len(answer["asked"]) for answer in answers.values()}
    many = f"{min(times)}" if len(times) == 1 else f"{min(times)} to {max(times)}"
    return f"one fact, asked at {many} point{'s' * (times != {1})}"


def model(answers: Mapping[str, Answer]) -> str:
    """How often greedy decoding gives the answer, and how likely it is in the end; and without memory or fact."""
    asked = {theme.label(name): answer["asked"] for name, answer in answers.items()}
    exact = {which: [sum(one[which]["exact"] for one in some) for some in asked.values()] for which in SAID}
    own = [
        f"{name} at {count} of {len(some)} points (p {theme.number(some[-1]['memory']['p'])} at the last)"
        for (name, some), count in zip(asked.items(), exact["memory"], strict=True)
    ]
    without = [
        f"with {words} at {_listed([str(count) for count in exact[which]]) if any(exact[which]) else 'none'}"
        for which, words in CONTROLS.items()
    ]
    later = max(recall.since(answer)[-1] for answer in answers.values())
    return (
        f"The answer is given exactly by {_listed(own)}, {', '.join(without)}. "
        f"The last point is {theme.count(later)} after the fact."
    )


def held(answers: Mapping[str, Answer], measure: str, layer: int | None) -> str:
    """One sentence: the measure at the last point, beside that of the reading without the fact."""
    where = "on average over layers" if layer is None else f"in layer {layer + 1}"
    parts = []
    for name, answer in answers.items():
        own, removed = (float(recall_held.values(answer, measure, line, layer)[-1]) for line in (OWN, LINES[0]))
        parts.append(f"{_value(own)} for {theme.label(name)} ({_value(removed)} without the fact)")
    what = "cosine of what is read by the fact's keys with its values" if measure != LOSS else "loss"
    return f"At the last point the {what} is {_listed(parts)}, {where}: only the difference is due to the fact."


def model_alt(answers: Mapping[str, Answer]) -> str:
    """For those who cannot see the chart."""
    lines = []
    for name, answer in answers.items():
        first, last = answer["asked"][0], answer["asked"][-1]
        lines.append(
            f"{theme.label(name)} from {theme.number(first['memory']['p'])} to {theme.number(last['memory']['p'])}"
            + "".join(f", {words} {theme.number(last[which]['p'])} at the end" for which, words in CONTROLS.items())
        )
    later = max(recall.since(answer)[-1] for answer in answers.values())
    return f"Probability of the answer over {theme.count(later)} read since the fact: {'; '.join(lines)}."


def held_alt(name: str, answer: Answer, measure: str, layer: int | None) -> str:
    where = "mean over layers" if layer is None else f"layer {layer + 1}"
    ends = [_ends(answer, measure, line, layer) for line in (OWN, *LINES)]
    return f"{measure.capitalize()} of {theme.label(name)}, {where}: {'; '.join(filter(None, ends))}."


def _ends(answer: Answer, measure: str, line: Line, layer: int | None) -> str:
    found = recall_held.values(answer, measure, line, layer)
    if not np.isfinite(found).any():
        return ""
    return f"{line.words} from {_value(float(found[0]))} to {_value(float(found[-1]))}"


def model_table(answers: Mapping[str, Answer]) -> tuple[str, pd.DataFrame]:
    rows = [
        {"memory": theme.label(name), "tokens since the fact": later, "p": one["memory"]["p"]}
        | {"exact": one["memory"]["exact"], "says": one["memory"]["text"]}
        | {f"p, {words}": one[which]["p"] for which, words in CONTROLS.items()}
        | {f"says, {words}": one[which]["text"] for which, words in CONTROLS.items()}
        for name, answer in answers.items()
        for one, later in zip(answer["asked"], recall.since(answer), strict=True)
    ]
    return (
        "Probability of the whole answer after the cue, and what greedy decoding says, as many tokens.",
        pd.DataFrame(rows),
    )


def held_table(answers: Mapping[str, Answer], measure: str, layer: int | None) -> tuple[str, pd.DataFrame]:
    frames = []
    for name, answer in answers.items():
        columns = {line.words: recall_held.values(answer, measure, line, layer) for line in (OWN, *LINES)}
        known = {words: found for words, found in columns.items() if np.isfinite(found).any()}
        frames.append(
            pd.DataFrame({"memory": theme.label(name), "tokens since the fact": recall_held.since(answer), **known})
        )
    where = "mean over layers" if layer is None else f"layer {layer + 1}"
    return f"{measure.capitalize()}, {where}, mean over the tokens of the fact.", pd.concat(frames)


def _value(value: float) -> str:
    return theme.signed(value, ".2f" if abs(value) < 100 else ",.1f")


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
