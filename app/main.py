"""The frame of every page: style, wordmark, navigation."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from app.theme import DARK, LIGHT
from app.views import explore

STYLE = (Path(__file__).parent / "style.css").read_text(encoding="utf-8")


def main() -> None:
    st.set_page_config(page_title="Titanscope", layout="wide", initial_sidebar_state="auto")
    # light-dark() follows the browser at once; what Python draws follows with the next rerun.
    names = ("panel", "line", "selected", "ground")
    variables = "; ".join(f"--ts-{n}: light-dark({getattr(LIGHT, n)}, {getattr(DARK, n)})" for n in names)
    st.html(f"<style>:root {{ {variables} }} {STYLE}</style>")
    with st.sidebar:
        st.markdown("**Titanscope**  \n:small[:gray[watch a neural memory work]]")
    st.navigation([st.Page(explore.page, title="Explore", default=True)], position="hidden").run()


main()
