"""What is selected, over any figure whose horizontal axis counts tokens from 1."""

from __future__ import annotations

import re
from typing import Any

import plotly.graph_objects as go

from app.theme import Palette

_HALO = "rgba(255,255,255,0.75)"  # so that lines are seen on dark cells
_ON_CELLS = {"fillcolor": "rgba(255,255,255,0.2)", "line": {"color": "rgba(255,255,255,0.95)", "width": 1.5}}


def mark(
    figure: go.Figure, palette: Palette, token: int | None, tokens: tuple[int, int] | None = None, *, halo: bool = False
) -> go.Figure:
    """The same figure with the selected token marked, and the selected tokens from..to shaded, in every row."""
    shapes: list[dict[str, Any]] = []
    for row in _rows(figure):
        place = {"xref": f"x{row}", "yref": f"y{row} domain", "y0": 0, "y1": 1}
        if tokens is not None:
            ends = {"x0": tokens[0] + 0.5, "x1": tokens[1] + 0.5}
            shapes.append(place | ends | {"type": "rect"} | (_ON_CELLS if halo else _shade(palette)))
        if token is not None:
            line = place | {"type": "line", "x0": token + 1, "x1": token + 1}
            if halo:
                shapes.append(line | {"line": {"color": _HALO, "width": 3}})
            shapes.append(line | {"line": {"color": palette.selected, "width": 1, "dash": "dot"}})
    figure.layout.shapes = shapes
    return figure


def _shade(palette: Palette) -> dict[str, Any]:
    return {"fillcolor": palette.selected, "opacity": 0.18, "line": {"color": palette.selected, "width": 0.5}}


def _rows(figure: go.Figure) -> list[str]:
    """The suffixes of the axes of each row: "", "2", "3"."""
    names = [re.fullmatch(r"xaxis(\d*)", name) for name in figure.layout]
    return sorted((found[1] for found in names if found), key=lambda suffix: int(suffix or 1))
