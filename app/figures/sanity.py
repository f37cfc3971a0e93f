"""Is surprise just surprisal, rarity or position? The answer of a sanity check as a figure.

An answer is titans_core.probes.controls.Comparison as plain values, an estimate being [value, low, high].
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

from app.figures import frame
from app.figures.plot import Plot, Trace, scatter
from app.theme import Palette

Answer = dict[str, Any]

MEASURES = {"nll": "surprisal", "rarity": "rarity of the token", "position": "position in the text"}
TOGETHER = "together"
WORDS = MEASURES | {TOGETHER: "all three together"}


class Estimate(NamedTuple):
    """A value with its 95 % interval; NaN where undefined."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Reading:
    """One of the three: how it is called, and how its points and intervals are drawn."""

    key: str
    words: str
    symbol: str
    glyph: str
    dash: str


READINGS = (
    Reading("as_is", "this text", "circle", "●", "solid"),
    Reading("shuffled", "shuffled", "circle-open", "○", "4px,2px"),
    Reading("untrained", "untrained model", "diamond-open", "◇", "1px,2px"),
)


def estimate(answer: Answer, reading: str, layer: int, measure: str) -> Estimate:
    return Estimate(*map(float, answer[reading]["layers"][layer][measure]))


def layers(answer: Answer) -> int:
    return len(answer["as_is"]["layers"])


def shown_layer(answer: Answer, chosen: int | None) -> int:
    """The chosen layer, else the one where the three together say most of this text."""
    if chosen is not None and chosen < layers(answer):
        return chosen
    shares = [estimate(answer, "as_is", layer, TOGETHER).value for layer in range(layers(answer))]
    return max(range(len(shares)), key=lambda layer: -1.0 if math.isnan(shares[layer]) else shares[layer])


def figure(answer: Answer, layer: int, palette: Palette, colour: str) -> Plot:
    """Points with interval bars: a row a measure, in it this text, the text shuffled and the untrained model.

    Correlations on -1..1 above, the share that all three explain on 0..100 % below. colour: of this text; the
    yardsticks are grey and dashed.
    """
    traces, names = [], []
    for axis, measures in (("", list(MEASURES)), ("2", [TOGETHER])):
        for place, reading in enumerate(READINGS):
            shade = colour if reading.key == "as_is" else palette.muted
            traces += _points(answer, layer, measures, reading, place, shade, axis)
        names += [_row_name(row, WORDS[measure], axis, palette) for row, measure in enumerate(measures)]
    layout = {
        "xaxis": _axis("rank correlation ρ", (-1, 1), ("−1", "−0.5", "0", "0.5", "1"), "y"),
        "yaxis": {"domain": [0.36, 1], "range": [len(MEASURES) - 0.4, -0.6], "visible": False, "fixedrange": True},
        "xaxis2": _axis("share of rank variance", (0, 1), ("0", "25 %", "50 %", "75 %", "100 %"), "y2"),
        "yaxis2": {"domain": [0, 0.22], "range": [0.6, -0.6], "visible": False, "fixedrange": True},
        "annotations": names,
    }
    drawn = frame.framed(Plot(*traces).update_layout(**layout), palette, 330)
    drawn.update_layout(
        margin={"l": 10, "r": 16, "t": 2, "b": 36},
        xaxis={"zeroline": True, "zerolinecolor": palette.muted, "zerolinewidth": 1},
    )
    return drawn


def _axis(title: str, ends: tuple[int, int], ticks: tuple[str, ...], anchor: str) -> dict[str, Any]:
    low, high = ends
    span, step = high - low, (high - low) / (len(ticks) - 1)
    return {
        "anchor": anchor,
        "range": [low - 0.02 * span, high + 0.02 * span],
        "tickvals": [low + k * step for k in range(len(ticks))],
        "ticktext": ticks,
        "ticklabeloverflow": "allow",
        "title": {"text": title, "standoff": 3},
        "fixedrange": True,
    }


def _points(
    answer: Answer, layer: int, measures: list[str], reading: Reading, place: int, colour: str, axis: str
) -> list[Trace]:
    """[intervals, points] of one reading. place: 0, 1, 2, from above, inside each row. axis: "" or "2"."""
    found = [estimate(answer, reading.key, layer, measure) for measure in measures]
    rows = [row + 0.2 * place - 0.06 for row in range(len(measures))]
    told = (f"{WORDS[m]}, {reading.words}: {in_words(m, e)}" for m, e in zip(measures, found, strict=True))
    axes = {"xaxis": f"x{axis}", "yaxis": f"y{axis}", "name": reading.words}
    bars = scatter(
        x=[x for e in found for x in (e.low, e.high, None)],
        y=[y for row in rows for y in (row, row, None)],
        mode="lines",
        line={"color": colour, "width": 2, "dash": reading.dash},
        hoverinfo="skip",
        **axes,
    )
    points = scatter(
        x=[e.value for e in found],
        y=rows,
        mode="markers",
        marker={"color": colour, "symbol": reading.symbol, "size": 8, "line": {"color": colour, "width": 1.5}},
        text=list(told),
        hovertemplate="%{text}<extra></extra>",
        **axes,
    )
    return [bars, points]


def _row_name(row: int, words: str, axis: str, palette: Palette) -> dict[str, Any]:
    return {
        "text": words,
        "font": {"size": 12, "color": palette.text},
        "x": 0,
        "xref": f"x{axis} domain",
        "xanchor": "left",
        "y": row - 0.36,
        "yref": f"y{axis}",
        "yanchor": "middle",
        "showarrow": False,
        "bgcolor": palette.panel,  # grid lines do not run through the words
        "borderpad": 1,
    }


def legend(palette: Palette, colour: str) -> str:
    """What the three marks mean, as HTML (no user text in it)."""
    parts = (
        f'<span style="white-space:nowrap"><span style="color:{colour if r.key == "as_is" else palette.muted}">'
        f"{r.glyph}</span> {r.words}</span>"
        for r in READINGS
    )
    return f'<div style="font-size:0.85rem;display:flex;flex-wrap:wrap;gap:0 12px">{"".join(parts)}</div>'


def in_words(measure: str, found: Estimate) -> str:
    """ρ 0.51 (95 % interval 0.47 to 0.55), or of all three together 33 % (95 % interval 28 to 38 %)."""
    if math.isnan(found.value):
        return "not defined"
    value = share(found.value) if measure == TOGETHER else f"ρ {_signed(found.value)}"
    return f"{value} ({interval(measure, found)})"


def interval(measure: str, found: Estimate) -> str:
    if measure == TOGETHER:
        return f"95\u00a0% interval {100 * found.low:.0f} to {100 * found.high:.0f}\u00a0%"
    return f"95\u00a0% interval {_signed(found.low)} to {_signed(found.high)}"


def share(value: float) -> str:
    return "under 1\u00a0%" if value < 0.01 else f"{100 * value:.0f}\u00a0%"


def _signed(value: float) -> str:
    return f"{round(value, 2) + 0.0:.2f}".replace("-", "−")
