"""Take over a text while it is typed: the box itself waits until it is left, and the click that leaves it is lost."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

_component = st.components.v2.component(
    "titanscope.typing",
    js=(Path(__file__).parent / "typing" / "typing.js").read_text(encoding="utf-8"),
)


def typing(area: str) -> None:
    """Have the st.text_area with this key report its text whenever typing pauses."""
    _component(key=f"typing_{area}", data={"area": area})
