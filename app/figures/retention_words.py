"""The answer of a retention probe in words and as tables."""

from __future__ import annotations

import numpy as np
import pandas as pd

from app.figures.forgetting import reach
from app.figures.retention import Answer, Where, curve, layers, of, shares
from app.theme import count, label, number, signed

LAGS = (1, 10, 100, 1_000, 10_000)  # tokens, of which the alternative text tells what is left


def layer_name(layer: int | None) -> str:
    return "All layers" if layer is None else f"Layer {layer + 1}"


def sentence(answer: Answer, layer: int | None) -> str:
    """The half-life, and what it would be if only the gates mattered."""
    found = of(answer, layer)
    name = f"{label(answer['checkpoint'])}, {layer_name(layer).lower()}"
    half, gates = found["half_life"], found["half_life_by_gates"]
    if half is None:
        said = f"{name}: more than half of every write is left at every lag in this document"
    else:
        said = f"{name}: {count(round(half))} later at most half of a write is left"
    if gates is None:
        return f"{said}; the gates alone would keep more than half throughout."
    return f"{said}; the gates alone would keep half for {count(round(gates))}."


def cells(answer: Answer, layer: int | None) -> str:
    """How much of the map lies beyond the ends of the colours, and why rows of it are empty."""
    values = shares(answer, layer)
    known = values[np.isfinite(values)]
    below, above = (float(np.mean(part)) if len(known) else 0.0 for part in (known < 0, known > 1))
    said = f"Of the cells, {_percent(below)} are below 0 and {_percent(above)} above 1; the colours end there."
    asked = np.array(answer["rows"][:-1]) < answer["times"][-1]
    empty = int((~np.isfinite(values[asked])).all(1).sum())
    if not empty:
        return said
    rows = "1 row is empty: its" if empty == 1 else f"{empty} rows are empty: their"
    return f"{said} {rows} writes did not improve the answers."


def beyond(answer: Answer, layer: int | None) -> str:
    """What the curve goes on to where it leaves its axis; "" where it does not."""
    line = curve(answer, layer)
    line = line[np.isfinite(line)]
    low, high = reach(answer, layer)
    ends = (
        (line.min(initial=low), line.min(initial=low) < low),
        (line.max(initial=high), line.max(initial=high) > high),
    )
    return " and ".join(number(float(end)) for end, out in ends if out)


def read(answer: Answer) -> str:
    """What was read and what was asked for."""
    every, times = answer["every"], len(answer["times"])
    asked = "every token" if every == 1 else f"one of {every} tokens"
    return f"Read: all {count(answer['rows'][-1])}. Asked for: {asked}, at {times} later moments."


def map_summary(answer: Answer, layer: int | None) -> str:
    """The map in words, for people who cannot see it: the means of what is left of each tenth of the document."""
    values = shares(answer, layer)[:, -1]
    parts = [part[np.isfinite(part)] for part in np.array_split(values, 10)]
    means = ", ".join(signed(float(part.mean())) if len(part) else "–" for part in parts)
    name = f"{label(answer['checkpoint'])}, {layer_name(layer).lower()}"
    return (
        f"Retention map of {name}: written down, asked later to the right. "
        f"After the last token asked for, the mean share left of each tenth of the document: {means}."
    )


def curve_summary(answer: Answer, layer: int | None) -> str:
    """The curve in words: what is left after about 1, 10, 100 ... tokens."""
    lags, left, gates = np.array(answer["lags"][:-1]), curve(answer, layer), curve(answer, layer, gates=True)
    known = np.flatnonzero(np.isfinite(left))
    picked = dict.fromkeys(known[np.argmin(np.abs(lags[known] - lag))] for lag in LAGS if lag <= lags[-1])
    rows = [f"{count(int(lags[k]))} later {signed(left[k])} ({signed(gates[k])})" for k in picked]
    return f"{sentence(answer, layer)} Share left, and in brackets what the gates alone would leave: {', '.join(rows)}."


def curve_table(answer: Answer) -> tuple[str, pd.DataFrame]:
    """A row a lag: what is left, and what the gates alone would leave, of all layers and of each."""
    lags = np.array(answer["lags"])
    columns = {"from tokens later": lags[:-1], "to": lags[1:] - 1}
    for layer in layers(answer):
        for gates in (False, True):
            name = layer_name(layer) + (", gates alone" if gates else "")
            columns[name] = curve(answer, layer, gates=gates).round(4)
    return "Share left by lag; empty where no token was asked for after such a lag.", pd.DataFrame(columns)


def map_table(answer: Answer, layer: int | None, where: Where) -> tuple[str, pd.DataFrame]:
    """A row a span of tokens, a column a moment; at the end where the span stands."""
    edges = np.array(answer["rows"])
    columns = {"from token": pd.Series(edges[:-1] + 1), "to": pd.Series(edges[1:])}
    for moment, column in zip(answer["times"], shares(answer, layer).T, strict=True):
        columns[f"after {moment:,}"] = pd.Series(column)
    columns["place"] = pd.Series([" ".join(words.split("\n")[1:]) for words in where.rows], dtype=str)
    note = f"Share left of each span, {layer_name(layer).lower()}, after so many tokens of the document."
    return note, pd.DataFrame(columns)


def _percent(share: float) -> str:
    return "none" if share == 0 else "under 1\u00a0%" if share < 0.01 else f"{100 * share:.0f}\u00a0%"
