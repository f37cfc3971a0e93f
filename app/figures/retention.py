"""What is left of every write, as a map: written token down, asked later to the right.

An answer is titans_core.probes.retention.Retention as plain values (`to_dict`), with the checkpoint it is of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.figures import frame
from app.figures.plot import Plot, heatmap
from app.theme import CIVIDIS, Palette

Answer = dict[str, Any]

HEIGHT = 350


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


def retention_map(answer: Answer, layer: int | None, where: Where, palette: Palette) -> Plot:
    """Written token down, asked later to the right; colours from 0 to 1, whatever lies beyond in the colour of the end.

    The axes are of categories, one a row and a column, so that what the pointer tells of them is sent once.
    """
    values = shares(answer, layer)
    drawn = heatmap(
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
    figure = frame.framed(Plot(drawn), palette, HEIGHT)
    columns, rows = _ticks(where.ticks, answer["times"]), _ticks(where.ticks, answer["rows"][:-1])
    look = {"type": "category", "showgrid": False, "fixedrange": True, "ticks": "outside", "ticklen": 3}
    figure.update_xaxes(**look, **columns)
    figure.update_yaxes(**look, **rows, autorange="reversed")
    for token, title in where.sections:
        _name_section(
            figure, _at(answer["rows"][:-1], token), _at(answer["times"], token), title, values.shape, palette
        )
    _name_axis(figure, "written ↓", {"x": 0, "xanchor": "left", "y": 1, "yanchor": "bottom"}, palette)
    _name_axis(figure, "asked later →", {"x": 1, "xanchor": "right", "y": 0, "yanchor": "top", "yshift": -17}, palette)
    if where.fact is not None:
        _mark_fact(figure, _at(answer["rows"][:-1], where.fact[0]), palette)
    return figure.update_layout(margin={"l": 56, "r": 12, "t": 44, "b": 38})


def _lines(words: Sequence[str]) -> list[str]:
    return [frame.plain(one).replace("\n", "<br>") for one in words]


def _colour_bar(palette: Palette) -> dict[str, Any]:
    return {
        "orientation": "h",
        "thickness": 8,
        "len": 0.5,
        "x": 0.92,
        "xanchor": "right",
        "y": 1,
        "yref": "container",
        "yanchor": "top",
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


def _name_axis(figure: Plot, words: str, at: dict[str, Any], palette: Palette) -> None:
    """Not as a title of the axis, which plotly puts over the names of the places where there is little room."""
    font = {"size": 11, "color": palette.muted}
    figure.add_annotation(text=words, xref="paper", yref="paper", showarrow=False, font=font, **at)


def _name_section(figure: Plot, row: int, column: int, title: str, shape: tuple[int, ...], palette: Palette) -> None:
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


def _mark_fact(figure: Plot, row: int, palette: Palette) -> None:
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
