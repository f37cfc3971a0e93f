"""The look that all plotly figures share."""

from __future__ import annotations

from typing import Any

from app.figures.plot import Plot
from app.theme import Palette

# What plotly.js is told of every chart. The camera stands in a bar that the style hides; the Export button presses it.
CHART = {
    "displayModeBar": True,
    "modeBarButtons": [["toImage"]],
    "displaylogo": False,
    "scrollZoom": False,
    "responsive": True,
}

FONT = "-apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Liberation Sans', Arial, sans-serif"


def framed(figure: Plot, palette: Palette, height: int, **layout: Any) -> Plot:
    """Give a figure the page's ground, hairlines and type; it never zooms by accident while the page scrolls."""
    figure.update_layout(
        height=height,
        margin={"l": 44, "r": 10, "t": 20, "b": 36},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": FONT, "size": 12, "color": palette.text},
        hoverlabel={"bgcolor": palette.panel, "bordercolor": palette.line, "font": {"color": palette.text}},
        showlegend=False,
        **layout,
    )
    axis = {
        "gridcolor": palette.line,
        "linecolor": palette.line,
        "zeroline": False,
        "tickfont": {"color": palette.muted, "size": 11},
        "title": {"font": {"color": palette.muted, "size": 11}},
    }
    figure.update_xaxes(**axis)
    figure.update_yaxes(**axis)
    return figure


def panel_title(figure: Plot, text: str, suffix: str, palette: Palette) -> None:
    """Name a panel above its left corner. suffix: of its axes, "" for the first, "2", ..."""
    place = {"x": 0, "xref": f"x{suffix} domain", "y": 1, "yref": f"y{suffix} domain"}
    font = {"size": 12, "color": palette.muted}
    figure.add_annotation(text=text, **place, xanchor="left", yanchor="bottom", showarrow=False, font=font)


def plain(text: str) -> str:
    """User text for plotly, which reads a small HTML in labels and hover."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
