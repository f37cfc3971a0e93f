"""What is left of every write: the retention map, and the forgetting curve below it.

An answer is titans_core.probes.retention.Retention as plain values (`to_dict`), with the checkpoint it is of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from app.figures import frame
from app.theme import CIVIDIS, Palette, count

Answer = dict[str, Any]

HEIGHT = 330
DEEPEST, HIGHEST = -1.0, 2.0  # shares that the curve's axis reaches at most


@dataclass(frozen=True)
class Where:
    """What stands where in the document. rows, times: words for each row and column of the map, each once, in lines.

    ticks: (token, words) along both axes. sections: (token, title). fact: its first token and the one after its last.
    """

    rows: Sequence[str]
    times: Sequence[str]
    ticks: Sequence[tuple[float, str]]
    sections: Sequence[tuple[float, str]] = ()
    fact: tuple[int, int] | None = None


def layers(answer: Answer) -> list[int | None]:
    """What can be shown: None, all layers together, and each."""
    return [one["layer"] for one in answer["layers"]]


def of(answer: Answer, layer: int | None) -> dict[str, Any]:
    """Map, curves and half-lives of a layer; of all together where there is none of this number."""
    return next((one for one in answer["layers"] if one["layer"] == layer), answer["layers"][0])


def shares(answer: Answer, layer: int | None) -> np.ndarray:
    """float32 (rows, times): NaN where nothing was written yet."""
    return np.array(of(answer, layer)["map"], np.float32)


def curve(answer: Answer, layer: int | None, *, gates: bool = False) -> np.ndarray:
    """(lags,): what is left of writes so long ago; NaN where no token was asked for after such a lag."""
    return np.array(of(answer, layer)["left_by_gates" if gates else "left"], np.float64)


def retention_map(answer: Answer, layer: int | None, where: Where, palette: Palette) -> go.Figure:
    """Written token down, asked later to the right; colours from 0 to 1, whatever lies beyond in the colour of the end.

    The axes are of categories, one a row and a column, so that what the pointer tells of them is sent once.
    """
    values = shares(answer, layer)
    drawn = go.Heatmap(
        z=values,
        x=_lines(where.times),
        y=_lines(where.rows),
        zmin=0,
        zmax=1,
        colorscale=[[k / (len(CIVIDIS) - 1), colour] for k, colour in enumerate(CIVIDIS)],
        colorbar=_colour_bar(palette),
        hoverongaps=False,
        hovertemplate="<b>share left %{z:.2f}</b><br>%{y}<br>asked %{x}<extra></extra>",
    )
    figure = frame.framed(go.Figure(drawn), palette, HEIGHT)
    columns, rows = _ticks(where.ticks, answer["times"]), _ticks(where.ticks, answer["rows"][:-1])
    look = {"type": "category", "showgrid": False, "fixedrange": True, "ticks": "outside", "ticklen": 3}
    figure.update_xaxes(**look, **columns, title={"text": "asked later →", "standoff": 2})
    figure.update_yaxes(**look, **rows, autorange="reversed", title={"text": "← written", "standoff": 2})
    for token, title in where.sections:
        _name_section(figure, _at(answer["rows"][:-1], token), _at(answer["times"], token), title, values.shape, palette)
    if where.fact is not None:
        _mark_fact(figure, _at(answer["rows"][:-1], where.fact[0]), palette)
    return figure.update_layout(margin={"l": 56, "r": 12, "t": 34, "b": 38})


def forgetting(answer: Answer, layer: int | None, palette: Palette) -> go.Figure:
    """What is left by lag, with the half-life, over what the gates alone would leave."""
    lags = np.array(answer["lags"])
    known = lags[:-1] > 0  # the first is the moment of the write itself, where all is there by definition
    words = [_lag_words(low, high - 1) for low, high in zip(lags[:-1][known], lags[1:][known], strict=True)]
    figure = go.Figure()
    for gates, name in ((True, "by the gates alone"), (False, "left")):
        colour = palette.muted if gates else palette.variant(answer["checkpoint"])
        figure.add_trace(
            go.Scatter(
                x=lags[:-1][known],
                y=curve(answer, layer, gates=gates)[known],
                mode="lines",
                connectgaps=True,
                line={"color": colour, "width": 1.5 if gates else 2, "dash": "6px,4px" if gates else "solid"},
                name=name,
                customdata=words,
                hovertemplate=f"%{{customdata}}<br>{name} %{{y:.2f}}<extra></extra>",
            )
        )
    frame.framed(figure, palette, 210)
    low, high = reach(answer, layer)
    figure.update_yaxes(range=[low - 0.06, high + 0.06], fixedrange=True, tickvals=_halves(low, high))
    decades = [10**k for k in range(7) if 10**k <= lags[-1]]
    figure.update_xaxes(type="log", showgrid=False, fixedrange=True, title={"text": "tokens later", "standoff": 2})
    figure.update_xaxes(tickvals=decades, ticktext=[f"{n:,}" for n in decades], range=[0, np.log10(lags[-1])])
    figure.add_hline(y=0, line={"color": palette.muted, "width": 1})
    _mark_half(figure, of(answer, layer)["half_life"], float(lags[-1]), palette)
    return figure.update_layout(margin={"l": 44, "r": 12, "t": 18, "b": 38})


def reach(answer: Answer, layer: int | None) -> tuple[float, float]:
    """The ends of the curve's axis: 0 to 1 and what lies beyond, as far as DEEPEST and HIGHEST."""
    both = np.concatenate([curve(answer, layer), curve(answer, layer, gates=True)])
    known = both[np.isfinite(both)]
    return max(DEEPEST, min(0.0, float(known.min(initial=0)))), min(HIGHEST, max(1.0, float(known.max(initial=1))))


def legend(answer: Answer, palette: Palette) -> str:
    """What the two lines mean, as HTML (no user text in it)."""
    colour = palette.variant(answer["checkpoint"])
    lines = ((f"2px solid {colour}", "left"), (f"2px dashed {palette.muted}", "what the gates alone would leave"))
    parts = (
        f'<span style="white-space:nowrap"><span style="display:inline-block;width:18px;border-top:{look};'
        f'vertical-align:middle;margin-right:5px"></span>{words}</span>'
        for look, words in lines
    )
    return f'<div style="font-size:0.85rem;display:flex;flex-wrap:wrap;gap:0 14px">{"".join(parts)}</div>'


def _lines(words: Sequence[str]) -> list[str]:
    return [frame.plain(one).replace("\n", "<br>") for one in words]


def _colour_bar(palette: Palette) -> dict[str, Any]:
    return {
        "orientation": "h",
        "thickness": 8,
        "len": 0.5,
        "x": 0.9,
        "xanchor": "right",
        "y": 1.01,
        "yanchor": "bottom",
        "tickvals": [0, 0.5, 1],
        "ticktext": ["0 or less", "half", "1 or more"],
        "tickfont": {"color": palette.muted, "size": 11},
        "ticklabelposition": "outside top",
        "outlinewidth": 0,
    }


def _at(edges: Sequence[int], token: float) -> int:
    """The row or column that a token falls into."""
    return max(0, int(np.searchsorted(edges, token, side="right")) - 1)


def _ticks(ticks: Sequence[tuple[float, str]], edges: Sequence[int]) -> dict[str, Any]:
    """Names of tokens as places between the rows or columns; plotly takes numbers for places of categories."""
    places = np.interp([token for token, _ in ticks], edges, np.arange(len(edges)))
    return {"tickvals": places.tolist(), "ticktext": [frame.plain(words) for _, words in ticks]}


def _name_section(
    figure: go.Figure, row: int, column: int, title: str, shape: tuple[int, ...], palette: Palette
) -> None:
    """The title left of the diagonal, where nothing is drawn, as far as it fits."""
    room = int(column / shape[1] * 44)  # letters that a phone has room for
    if room < 8:
        return
    words = title if len(title) <= room else title[: room - 1].rstrip() + "…"
    figure.add_annotation(
        text=frame.plain(words),
        x=max(0, column - 1),
        y=row,
        xanchor="right",
        showarrow=False,
        font={"size": 10, "color": palette.muted},
    )


def _mark_fact(figure: go.Figure, row: int, palette: Palette) -> None:
    figure.add_shape(
        type="rect",
        xref="paper",
        x0=0,
        x1=1,
        y0=row - 0.9,
        y1=row + 0.9,
        line={"color": palette.variant("mac"), "width": 1.5},
        layer="above",
    )
    figure.add_annotation(
        text="<b>fact</b>",
        xref="paper",
        x=0,
        y=row,
        xanchor="right",
        xshift=-4,
        showarrow=False,
        font={"size": 11, "color": palette.variant("mac")},
        bgcolor=palette.panel,
    )


def _mark_half(figure: go.Figure, half: float | None, last: float, palette: Palette) -> None:
    figure.add_hline(y=0.5, line={"color": palette.line, "width": 1})
    if half is None:
        return
    figure.add_vline(x=half, line={"color": palette.text, "width": 1, "dash": "2px,3px"})
    figure.add_annotation(
        text=f"half-life {count(round(half))}",
        x=np.log10(max(half, 1)),  # of an annotation, unlike a line, plotly wants the logarithm
        y=1,
        yref="paper",
        yanchor="bottom",
        xanchor="left" if half < last**0.5 else "right",
        showarrow=False,
        font={"size": 12, "color": palette.text},
    )


def _halves(low: float, high: float) -> list[float]:
    return [k / 2 for k in range(int(np.ceil(2 * low)), int(2 * high) + 1)]


def _lag_words(low: int, high: int) -> str:
    return f"{count(int(low))} later" if low == high else f"{low:,} to {high:,} tokens later"
