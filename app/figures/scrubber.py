"""Slider, Play and Pause of a figure whose frames are named "0", "1", ...: they work in the browser alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.theme import Palette

STEP = 160  # ms a frame while it plays

_NOW = {"mode": "immediate", "transition": {"duration": 0}, "frame": {"duration": 0, "redraw": False}}
_PLAY = {**_NOW, "fromcurrent": True, "frame": {"duration": STEP, "redraw": False}}


def slider(labels: Sequence[str], prefix: str, palette: Palette) -> dict[str, Any]:
    """One step a frame, below the figure; the last is shown first."""
    steps = [{"method": "animate", "args": [[str(frame)], _NOW], "label": words} for frame, words in enumerate(labels)]
    return {
        "active": len(steps) - 1,
        "steps": steps,
        "currentvalue": {"prefix": prefix, "font": {"size": 12, "color": palette.text}, "xanchor": "right"},
        "font": {"size": 10, "color": palette.muted},
        "pad": {"t": 38, "b": 0, "l": 0, "r": 0},
        "bgcolor": palette.line,
        "bordercolor": palette.muted,
        "activebgcolor": palette.selected,
        "tickcolor": palette.muted,
        "ticklen": 3,
        "minorticklen": 2,
        "x": 0,
        "len": 1,
        "y": 0,
    }


def buttons(palette: Palette) -> dict[str, Any]:
    """Play and Pause. The page hides them from people who asked for less motion; nothing ever plays by itself."""
    return {
        "type": "buttons",
        "direction": "right",
        "showactive": False,
        "x": 0,
        "xanchor": "left",
        "y": 0,
        "yanchor": "top",
        "pad": {"t": 34, "l": 0},
        "bgcolor": palette.panel,
        "bordercolor": palette.line,
        "font": {"size": 12, "color": palette.text},
        "buttons": [
            {"label": "▶ Play", "method": "animate", "args": [None, _PLAY]},
            {"label": "❚❚ Pause", "method": "animate", "args": [[None], _NOW]},
        ],
    }
