"""The handle by which the page shows one frame of a figure whose frames are named "0", "1", ...

The page has its own slider (`app.components.scrub`), because plotly's cannot be moved by keys. Streamlit keeps plotly
to itself, but a button of the figure can show a frame: this one is drawn in no colour and pressed by the slider.
"""

from __future__ import annotations

from typing import Any

NOW = {"mode": "immediate", "transition": {"duration": 0}, "frame": {"duration": 0, "redraw": False}}
_CLEAR = "rgba(0,0,0,0)"


def handle(frame: int) -> dict[str, Any]:
    """One button inside the plot that shows `frame`, or another once its args are changed."""
    return {
        "type": "buttons",
        "showactive": False,
        "x": 0,
        "y": 1,
        "xanchor": "left",
        "yanchor": "top",
        "bgcolor": _CLEAR,
        "bordercolor": _CLEAR,
        "borderwidth": 0,
        "font": {"size": 1, "color": _CLEAR},
        "buttons": [{"label": " ", "method": "animate", "args": [[str(frame)], NOW]}],
    }
