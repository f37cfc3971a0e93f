"""The frame of every page: style, wordmark, navigation."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from app.views import explore

STYLE = (Path(__file__).parent / "style.css").read_text(encoding="utf-8")


def main() -> None:
    st.set_page_config(page_title="Titanscope", layout="wide", initial_sidebar_state="auto")
    st.html(f"<style>{STYLE}</style>")
    with st.sidebar:
        st.markdown("### Titanscope")
        st.caption("watch a neural memory work")
    st.navigation([st.Page(explore.page, title="Explore", default=True)], position="hidden").run()


main()
