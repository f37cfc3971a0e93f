"""A button that copies the address of the page: whoever has it sees the same."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

_HERE = Path(__file__).parent / "copy_link"

_component = st.components.v2.component(
    "titanscope.copy_link",
    html='<button type="button" class="copy">Copy link</button><span class="told" role="status"></span>',
    css=(_HERE / "style.css").read_text(encoding="utf-8"),
    js=(_HERE / "copy_link.js").read_text(encoding="utf-8"),
)


def copy_link() -> None:
    _component(key="copy_link", width="content")
