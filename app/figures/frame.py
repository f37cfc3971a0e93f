"""The look that all plotly figures share."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

from app.theme import Palette

# What plotly.js is told of every chart. The camera stands in a bar that the style hides; the Export button presses it.
CHART = {
    "displayModeBar": True,
    "modeBarButtons": [["toImage"]],
    "displaylogo": False,
    "scrollZoom": False,
    "responsive": True,
}
Layout = dict[str, Any]

FONT = "-apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Liberation Sans', Arial, sans-serif"


def framed(figure: go.Figure, palette: Palette, height: int, **layout: Any) -> go.Figure:
    """Give a figure the page's ground, hairlines and type; it never zooms by accident while the page scrolls."""
    figure.update_layout(**_ground(palette, height), **layout)
    figure.update_xaxes(**_axis(palette))
    figure.update_yaxes(**_axis(palette))
    return figure


def _ground(palette: Palette, height: int) -> dict[str, Any]:
    return {
        "height": height,
        "margin": {"l": 44, "r": 10, "t": 20, "b": 36},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": FONT, "size": 12, "color": palette.text},
        "hoverlabel": {"bgcolor": palette.panel, "bordercolor": palette.line, "font": {"color": palette.text}},
        "showlegend": False,
    }


def _axis(palette: Palette) -> dict[str, Any]:
    return {
        "gridcolor": palette.line,
        "linecolor": palette.line,
        "zeroline": False,
        "tickfont": {"color": palette.muted, "size": 11},
        "title": {"font": {"color": palette.muted, "size": 11}},
    }


def stacked(palette: Palette, height: int, rows: int, gap: float, x: dict[str, Any], y: dict[str, Any]) -> Layout:
    """The layout of rows over one horizontal axis, in the look of all figures, as a plain dict.

    Plotly takes a whole layout ten times as fast as it changes one. gap: between two rows, as a part of the height.
    x, y: what every axis has beside the look.
    """
    tall = (1 - gap * (rows - 1)) / rows
    layout = _ground(palette, height)
    for row in range(1, rows + 1):
        top = 1 - (row - 1) * (tall + gap)
        at, last = place(row), place(rows)
        follows = {} if row == rows else {"matches": last["xaxis"], "showticklabels": False}
        across = {"anchor": at["yaxis"], "domain": [0, 1]} | follows
        layout[named("xaxis", row)] = _axis(palette) | across | x
        layout[named("yaxis", row)] = _axis(palette) | {"anchor": at["xaxis"], "domain": [max(0, top - tall), top]} | y
    layout[named("xaxis", rows)]["title"]["text"] = "token"
    return layout


def named(axis: str, row: int) -> str:
    """How plotly names the axis of a row, counted from 1: "xaxis", "xaxis2"."""
    return axis if row == 1 else f"{axis}{row}"


def place(row: int) -> dict[str, str]:
    """What puts a trace in a row."""
    return {"xaxis": named("x", row), "yaxis": named("y", row)}


def row_title(row: int, title: str, palette: Palette) -> dict[str, Any]:
    """An annotation: a small title above the left end of a row."""
    at = place(row)
    return {
        "text": title,
        **{"x": 0, "xref": f"{at['xaxis']} domain", "xanchor": "left"},
        **{"y": 1, "yref": f"{at['yaxis']} domain", "yanchor": "bottom"},
        **{"showarrow": False, "font": {"size": 12, "color": palette.muted}},
    }


def plain(text: str) -> str:
    """User text for plotly, which reads a small HTML in labels and hover."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
