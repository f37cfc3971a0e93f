"""What a session has chosen: who asks, and how the page is drawn.

This package is the place of session state and query parameters; app.choices keeps what controls say.
"""

from __future__ import annotations

import re
from typing import Any

import streamlit as st

from app.person import key
from app.theme import DARK, LIGHT, Palette


def person() -> str:
    """Who asks, for the engine to be fair (see app.person)."""
    return key()


def reported_theme() -> str | None:
    """The theme that the browser reported; Streamlit's own may be newer than what is drawn."""
    theme: str | None = st.session_state.get("theme")
    return theme


def consists_of(*parts: str) -> None:
    """The fragments of which this page is made, by their keys."""
    st.session_state["parts"] = parts


def parts() -> tuple[str, ...]:
    made: tuple[str, ...] = st.session_state.get("parts", ())
    return made


def first_visit() -> bool:
    """True once per session."""
    seen: bool = st.session_state.get("seen", False)
    st.session_state["seen"] = True
    return not seen


def palette() -> Palette:
    """The colours of the theme this browser shows."""
    known: Any = st.context.theme
    # The text heatmap reports a switch of theme sooner than Streamlit does.
    return DARK if st.session_state.get("theme", known.type) == "dark" else LIGHT


_MARKS = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:&])")


def plain(text: str) -> str:
    """User text for places that read Markdown: every mark is escaped, so it shows as it was written."""
    return _MARKS.sub(r"\\\1", text)
