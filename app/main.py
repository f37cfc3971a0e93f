"""The frame of every page: style, wordmark, navigation."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import streamlit as st

import titans_core as tc
from app import library, recalling
from app.runs import shared
from app.serving import sign_in
from app.state import address, uploads
from app.theme import DARK, LIGHT
from app.views import answers, compare, explore, recall
from app.views import library as library_page

STYLE = (Path(__file__).parent / "style.css").read_text(encoding="utf-8")


def main() -> None:
    st.set_page_config(page_title="Titanscope", layout="wide", initial_sidebar_state="auto")
    # light-dark() follows the browser at once; what Python draws follows with the next rerun.
    names = ("panel", "line", "selected", "ground")
    variables = "; ".join(f"--ts-{n}: light-dark({getattr(LIGHT, n)}, {getattr(DARK, n)})" for n in names)
    st.html(f"<style>:root {{ {variables} }} {STYLE}</style>")
    sign_in.gate()
    uploads.begin()
    comparing = st.Page(compare.page, title="Compare", url_path="compare")
    exploring = st.Page(partial(explore.page, comparing), title="Explore", url_path="explore", default=True)
    recalling_page = st.Page(recall.page, title="Recall", url_path="recall")
    answering = st.Page(answers.page, title="Answers", url_path="answers")
    listing = st.Page(partial(library_page.page, exploring), title="Runs", url_path="library")
    pages = exploring, comparing, recalling_page, listing, answering
    shown = st.navigation(pages, position="hidden")
    with st.sidebar:
        st.markdown("**Titanscope**  \n:small[:gray[watch a neural memory work]]")
        with st.container(key="pages"):
            for page in pages:  # another page shows the same runs; whatever changes them draws all of this anew
                query = recalling.query() if page is recalling_page else address.query()
                if page is exploring and shown is not exploring:
                    query = query or _welcome()
                st.page_link(page, query_params=query)
        sign_in.leave()
    library.opened((*address.run_ids(), *address.remembered()[0]), also=recalling.asked_about())
    shown.run()
    uploads.let_go()


def _welcome() -> dict[str, list[str]] | None:
    """What the link to Explore says where nothing was run yet.

    If Explore wrote it itself, the browser, still on the page that is left, would take it into its history as that one.
    """
    return {"run": [shared.welcome()]} if tc.checkpoints() else None


main()
