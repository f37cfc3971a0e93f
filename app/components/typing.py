"""Take over what is typed: an input waits until it is left, and a click on a button that is still off is lost."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

_component = st.components.v2.component(
    "titanscope.typing",
    js=(Path(__file__).parent / "typing" / "typing.js").read_text(encoding="utf-8"),
)


def typing(keys: str) -> None:
    """Have the inputs whose keys begin so report what stands in them whenever typing pauses."""
    _component(key=f"typing_{keys}", data={"keys": keys})
