"""A slider and Play for a plotly figure with frames: it works in the browser alone (see scrub/scrub.js)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

_HERE = Path(__file__).parent / "scrub"

_component = st.components.v2.component(
    "titanscope.scrub",
    html='<div class="scrub"></div>',
    css=(_HERE / "style.css").read_text(encoding="utf-8"),
    js=(_HERE / "scrub.js").read_text(encoding="utf-8"),
)


def scrub(chart: str, *, name: str, moments: Sequence[str], facts: Sequence[str]) -> None:
    """Show one moment of the chart with this key, the last at first.

    The chart has a frame "0", "1", ... a moment and the button of `app.figures.scrubber`; its last frame is drawn.
    name: of the slider; moments: what each place of it is called; facts: what is shown of that moment in words.
    """
    data = {"chart": chart, "name": name, "moments": list(moments), "facts": list(facts)}
    _component(key=f"{chart}_scrub", data=data)
