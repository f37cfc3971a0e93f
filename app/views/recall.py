"""Recall: a fact of a document, and what memories still know of it as they read on."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from app import memories, recalling, runs, state
from app.jobs import Subject
from app.views import recall_curve
from app.words import words

Panel = Callable[[str, Subject, tuple[str, ...], str], None]
# Row by row, each panel with its share of the width.
ROWS: tuple[tuple[tuple[int, Panel], ...], ...] = (((68, recall_curve.panel),),)


def page() -> None:
    """What the address is about, and every question that was put to it."""
    name = recalling.subject_id()
    subject = runs.subject(name) if name else None
    st.title("What does it still know?", anchor=False)
    if name is None or subject is None:
        if name or recalling.wrong_address():
            st.warning(words("no_subject"))
        else:
            st.write("Choose a document, a fact and one or more memories, then press Probe.")
        return
    st.caption(state.plain(subject.title))
    checkpoints = tuple(filter(memories.remembers, memories.names()))
    for row in ROWS:
        columns = st.columns([share for share, _ in row], gap="small")
        for column, (_, panel) in zip(columns, row, strict=True):
            with column:
                panel(name, subject, checkpoints, runs.engine().devices()[-1])
