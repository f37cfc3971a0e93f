"""Timelines and layer map on canvases of our own: they draw what titanscope/figure sends (see figures/*.js)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import streamlit as st

from app.components import scripts
from app.link import Look, Pair
from app.theme import CIVIDIS, PLAIN

TIMELINES, LAYER_MAP = "timelines", "layer_map"

_HERE = Path(__file__).parent / "figures"
_SCRIPTS = (
    *("plot.js", "timelines.js", "layers.js", "marks.js"),
    *("card.js", "head.js", "pointer.js", "surface.js", "view.js", "main.js"),
)

_component = st.components.v2.component(
    "titanscope.figures",
    html='<div class="figures"></div>',
    css=(_HERE / "style.css").read_text(encoding="utf-8"),
    js=scripts.joined(_HERE, _SCRIPTS),
)


def figure(
    key: str,
    runs: Sequence[str],
    total: int,
    look: Look,
    *,
    pair: Pair | None = None,
    on_change: Callable[[str], Callable[[], None]],
) -> None:
    """Draw the figure `key` (TIMELINES or LAYER_MAP) of runs of one text of `total` tokens. The browser fetches it.

    Reports under its key: "token" [token, time in ms]; "span" [from, to, time], with -1 for both ends for the whole
    text; "map" [how, time]. on_change gives the callback for each of these names. The address of the page says what the
    timelines show, and which `pair` is compared, without a new entry in the browser's history.
    """
    data = {
        "kind": key,
        "runs": list(runs),
        "total": total,
        "look": {name: getattr(look, name) for name in ("signal", "layer", "token", "span", "range", "how")},
        "at": look.at,
        "link": look.address | (pair.address(len(runs)) if pair else {}) if key == TIMELINES else {},
        "palettes": PLAIN,
        "cividis": CIVIDIS,
    }
    _component(
        key=key,
        data=data,
        on_token_change=on_change("token"),
        on_span_change=on_change("span"),
        on_map_change=on_change("map"),
    )
