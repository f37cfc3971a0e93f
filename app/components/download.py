"""What can be saved: files of the runs as links, and the figures of the page as they are drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypedDict

import streamlit as st

_HERE = Path(__file__).parent / "download"

_component = st.components.v2.component(
    "titanscope.download",
    html='<div class="download"></div>',
    css=(_HERE / "style.css").read_text(encoding="utf-8"),
    js=(_HERE / "images.js").read_text(encoding="utf-8") + (_HERE / "download.js").read_text(encoding="utf-8"),
)


class Row(TypedDict):
    """A line of links. files: label -> address, relative to the page."""

    label: str
    note: str
    files: dict[str, str]


def download(rows: Sequence[Row], *, figures: Mapping[str, str], file: str, ground: str, text: bool = True) -> None:
    """Links, and a pair of buttons for each figure that stands on the page.

    figures: what the figure under a Streamlit key is called; others are called by their key. file: how image files
    begin. ground: the colour behind an image, which would else be transparent. text: whether the page shows a text.
    """
    data = {"rows": list(rows), "figures": dict(figures), "file": file, "ground": ground, "text": text}
    _component(key="download", data=data)
