"""Which text: a sample, a pasted one, files, or that which the page shows; and what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from app import choices, samples
from app.bare import sentence
from app.components.typing import typing
from app.runs import Run
from app.state import plain
from app.views.upload import UPLOAD_MB, upload
from titans_core.documents import Document, check_text
from titans_core.errors import TextError

PASTE_MOST = 1_000_000  # characters; the browser sends a pasted text again with every click
BOX_MOST = 20_000  # characters of a shown text that are put in the box by themselves
PASTED = "Pasted text"  # the title of one
NOTHING_SHOWN = "No text is shown yet. Choose a sample, or paste or upload a text."


def checked(title: str, text: str, wrong: str, waits: str) -> tuple[tuple[str, ...], str]:
    """(notices, problem); says below the text why it cannot be run. wrong: why it could not be taken."""
    notices: tuple[str, ...] = ()
    if not wrong:
        try:
            notices = tuple(check_text(text))
        except TextError as error:
            wrong = sentence(error)
    if not wrong:
        return notices, ""
    if title:
        st.error(plain(wrong))
    else:
        st.caption(plain(wrong))
    return (), f"{waits} that can be run." if title else f"{waits}."


Text = tuple[Document | None, str, str, str]  # document, title, text, problem; no title while nothing is given


def chosen_text(heading: str, again: Callable[[], Text]) -> Text:
    """Draw the sources and what is chosen of the one that is chosen. again: the text that the page shows."""
    st.caption(heading)
    source = st.segmented_control(
        "Text",
        ["Sample", "Paste", "Upload", "Shown"],
        default=choices.begin("source", "Sample"),
        required=True,
        key="source",
        on_change=choices.chose,
        args=("source",),
        label_visibility="collapsed",
        width="stretch",
    )
    if source == "Paste":
        return None, *_paste()
    if source == "Upload":
        document, problem = upload()
        return document, document.name if document else "", document.text if document else "", problem
    if source == "Shown":
        return again()
    listed = {sample.title: sample for sample in samples.samples()}
    choices.begin("sample", next(iter(listed)))
    title = st.selectbox(
        "Sample",
        list(listed),
        key="sample",
        on_change=choices.chose,
        args=("sample",),
        label_visibility="collapsed",
    )
    st.caption(listed[title].shows)
    return None, title, listed[title].text, ""


def _paste() -> tuple[str, str, str]:
    pasted = st.text_area(
        "Text to run",
        choices.begin("pasted", ""),
        key="pasted",
        height=180,
        placeholder=f"Paste or type a text here, up to {PASTE_MOST:,} characters",
        on_change=choices.chose,
        args=("pasted",),
    )
    typing("pasted")
    return PASTED if pasted else "", pasted or "", _too_long(pasted or "")


def again(shown: list[Run]) -> Text:
    """The text that the page shows, whatever its length and wherever it came from."""
    if not shown:
        return None, "", "", NOTHING_SHOWN
    title, text = shown[0].title, str(shown[0].ds.attrs["text"])
    st.caption(f"The text on this page again: {plain(title or 'Untitled text')}, {len(text):,} characters.")
    return shown[0].document, title, text, ""


def _too_long(pasted: str) -> str:
    if len(pasted) <= PASTE_MOST:
        return ""
    return (
        f"The pasted text has {len(pasted):,} characters. The page takes pastes of up to {PASTE_MOST:,}; "
        f"save a longer text as a file and choose Upload, which takes up to {UPLOAD_MB} MB."
    )
