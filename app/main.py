"""The frame of every page: style, wordmark, navigation."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from app import state
from app.views import explore

STYLE = (Path(__file__).parent / "style.css").read_text(encoding="utf-8")


def main() -> None:
    st.set_page_config(page_title="Titanscope", layout="wide", initial_sidebar_state="auto")
    colours = state.palette()
    names = ("panel", "line", "selected", "ground")
    variables = "; ".join(f"--ts-{name}: {getattr(colours, name)}" for name in names)
    st.html(f"<style>:root {{ {variables} }} {STYLE}</style>")
    with st.sidebar:
        st.markdown("**Titanscope**  \n:small[:gray[watch a neural memory work]]")
    st.navigation([st.Page(explore.page, title="Explore", default=True)], position="hidden").run()


main()
