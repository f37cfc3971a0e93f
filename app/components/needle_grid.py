"""The needle grid in the browser: a table a memory, whose cells are buttons (see needle_grid/grid.js)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

_HERE = Path(__file__).parent / "needle_grid"

_component = st.components.v2.component(
    "titanscope.needle_grid",
    html='<div class="needles"></div>',
    css=(_HERE / "style.css").read_text(encoding="utf-8"),
    js=(_HERE / "grid.js").read_text(encoding="utf-8"),
)


def needle_grid(
    key: str, drawing: dict[str, Any], alt: str, chosen: list[Any] | None, on_pick: Callable[[], None]
) -> None:
    """Draw figures.needle_grid.drawing. chosen: [checkpoint, length, depth] of the cell whose details are shown.

    A cell that is picked is reported under session state `key` as "cell": [checkpoint, length, depth, time in ms].
    """
    _component(key=key, data={**drawing, "alt": alt, "chosen": chosen}, on_cell_change=on_pick)
