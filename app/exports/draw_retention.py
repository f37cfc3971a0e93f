"""What `titans retention` wrote, as charts: the map of one memory, and the forgetting curves of several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from app.exports import svg
from app.exports.plot import Plot, legend
from app.figures import forgetting, retention, retention_words
from app.theme import count, label

Answer = dict[str, Any]

SIDE, GAP = 400, 70  # of a map, and around it
ROW, BETWEEN = 150, 78


def maps(answer: Answer) -> str:
    """The map of all layers together and of each, two side by side. Raises ValueError for what is no answer."""
    _check(answer)
    parts = [svg.scale_bar(svg.WIDTH - 90, 12, "0 or less", "1 or more", "m")]
    layers = retention.layers(answer)
    layers = layers[:1] if len(layers) == 2 else layers
    for k, layer in enumerate(layers):
        parts += _map(answer, layer, GAP + (k % 2) * (SIDE + GAP), 58 + k // 2 * (SIDE + GAP))
    bottom = 58 + -(-len(layers) // 2) * (SIDE + GAP)
    words = f"{label(answer['checkpoint'])}: share left of every write. {retention_words.read(answer)}"
    parts.append(svg.text(GAP, 20, words))
    told = [words(answer, layer) for layer in layers for words in (retention_words.sentence, retention_words.cells)]
    parts += [svg.text(GAP, bottom + 17 * k - 14, said, "tick") for k, said in enumerate(told)]
    return svg.chart(parts, bottom + 17 * len(told), retention_words.map_summary(answer, None))


def _map(answer: Answer, layer: int | None, left: float, top: float) -> list[str]:
    values, total = retention.shares(answer, layer), answer["rows"][-1]
    steps = svg.level(values, 0, 1)
    columns = np.rint(np.array([0, *answer["times"]]) / total * SIDE) + left  # whole pixels: no gaps between cells
    rows = np.rint(np.array(answer["rows"]) / total * SIDE) + top
    parts = [svg.text(left, top - 8, f"{retention_words.layer_name(layer)}: written ↓, asked later →", "name")]
    for k, row in enumerate(steps):
        parts.append(svg.cells(row, columns, rows[k], rows[k + 1] - rows[k], "m"))
    for tick in svg.ticks(0, total, 5):
        at = tick / total * SIDE
        if tick:
            parts.append(svg.text(left - 6, top + at + 4, f"{tick:,.0f}", "tick", "end"))
            parts.append(svg.text(left + at, top + SIDE + 16, f"{tick:,.0f}", "tick", "middle"))
    return parts


def _check(answer: Answer) -> None:
    for name in ("rows", "times", "lags"):
        values = np.array(answer[name], float)
        if values.ndim != 1 or not np.isfinite(values).all() or not (np.diff(values, prepend=-1) > 0).all():
            raise ValueError(f"its {name} are not in order")
    cells = len(answer["rows"]) - 1, len(answer["times"])
    for layer in retention.layers(answer):
        if retention.shares(answer, layer).shape != cells:
            raise ValueError(f"a map has not {cells[0]} rows of {cells[1]} cells")


def curves(answers: Sequence[Answer]) -> str:
    """A row a layer, a line a memory, dashed what the gates alone would leave; half-lives are marked and told."""
    last = max(answer["lags"][-1] for answer in answers)
    layers = list(dict.fromkeys(layer for answer in answers for layer in retention.layers(answer)))
    lines = [(f"r{k}", label(answer["checkpoint"])) for k, answer in enumerate(answers)]
    parts = legend(18, [*lines, ("r0 dashed", "the same by the gates alone")])
    top = 60.0
    for layer in layers:
        shown = [(k, answer) for k, answer in enumerate(answers) if layer in retention.layers(answer)]
        reaches = [forgetting.reach(answer, layer) for _, answer in shown]
        plot = Plot(top, ROW, min(low for low, _ in reaches), max(high for _, high in reaches), 1, last)
        parts += plot.frame(f"{retention_words.layer_name(layer)}: share left")
        for k, answer in shown:
            parts += _curve(plot, answer, layer, k)
        parts += _half_lives(shown, layer, plot.bottom + 34)
        parts += plot.axis("tokens later")
        top += ROW + BETWEEN
    said = " ".join(retention_words.curve_summary(answer, layers[0]) for answer in answers)
    return svg.chart(parts, top - 30, said)


def _curve(plot: Plot, answer: Answer, layer: int | None, run: int) -> list[str]:
    lags = np.array(answer["lags"][:-1], float)
    parts = []
    for gates in (True, False):
        values = retention.curve(answer, layer, gates=gates)
        known = np.isfinite(values) & (lags > 0)
        parts.append(plot.line(lags[known], values[known], f"r{run}{' dashed thin' if gates else ''}"))
    half = retention.of(answer, layer)["half_life"]
    if half is not None:
        x, y = float(plot.x(half)), float(plot.y(0.5))
        parts.append(f'<circle class="r{run} hollow" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>')
    return parts


def _half_lives(shown: Sequence[tuple[int, Answer]], layer: int | None, y: float) -> list[str]:
    told = []
    for _, answer in shown:
        half, further = retention.of(answer, layer)["half_life"], retention_words.beyond(answer, layer)
        said = "not reached" if half is None else count(round(half))
        told.append(f"{label(answer['checkpoint'])} {said}{f' (its curve goes on to {further})' if further else ''}")
    return [svg.text(svg.LEFT, y, f"half-life ○: {', '.join(told)}", "tick")]
