"""The bridge to the figures: plotly's zoom and clicks reach Python, and the view its address (see zoom/zoom.js)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import streamlit as st

KEY = "zoom"

_HERE = Path(__file__).parent / "zoom"

_component = st.components.v2.component(
    "titanscope.zoom",
    html='<div class="zoom"></div>',
    js=(_HERE / "zoom.js").read_text(encoding="utf-8"),
)


def zoom(
    charts: Sequence[str],
    *,
    run: str,
    total: int,
    zoomed: bool,
    link: Mapping[str, str | None],
    on_zoom: Callable[[], None],
    on_token: Callable[[], None],
) -> None:
    """Listen to the plotly charts with these keys, whose horizontal axes count the `total` tokens from 1.

    Reports under KEY: "zoom" [from, to, time], [-1, -1, time] for all; "token" [token, time]. A click in a figure of
    bins means the highest token of its bin. link: parameters that the address of the page then has, without a new entry
    in the browser's history; None removes one. run: of this one it tells routes.py when the first chart is drawn.
    """
    data = {"charts": list(charts), "total": total, "run": run, "zoomed": zoomed, "link": dict(link)}
    _component(key=KEY, data=data, on_zoom_change=on_zoom, on_token_change=on_token)
