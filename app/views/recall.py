"""Recall: a fact of a document, and what memories still know of it as they read on."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from app import memories, recalling, runs
from app.components.copy_link import copy_link
from app.jobs import Subject
from app.state import plain
from app.views import probing, recall_controls, recall_curve, recall_export
from app.words import words

Panel = Callable[[str, Subject, tuple[str, ...], str], None]
# Row by row, each panel with its share of the width.
ROWS: tuple[tuple[tuple[int, Panel], ...], ...] = (
    ((68, recall_curve.panel),),
)  # fmt: skip


def page() -> None:
    """What the address is about, and every question that was put to it."""
    name = recalling.subject_id()
    subject = runs.subject(name) if name else None
    if name is not None and subject is not None:
        _shown(name, subject)
    else:
        st.title("What does it still know?", anchor=False)
        if name or recalling.wrong_address():
            st.warning(words("no_subject"))
        else:
            st.write(words("recall"))
    with st.sidebar:
        asked = recall_controls.request(name, subject)
        pressed = st.button("Probe", type="primary", width="stretch", key="probe", disabled=bool(asked.problem))
        if pressed and asked.subject is not None:
            _probe(name, subject, asked.subject, asked)
        recall_controls.cost(asked)
        if subject is not None and asked.subject is not None and asked.subject != subject:
            st.caption("The page is about another document or fact. Probe asks for this one.")


def _probe(name: str | None, shown: Subject | None, subject: Subject, asked: recall_controls.Asked) -> None:
    """Begin the probes, and have the page be about this subject."""
    if name is None or shown != subject:
        name = runs.engine().keep_subject(subject)
    probing.begin([recall_curve.probe(name, subject, memory, asked.device) for memory in asked.checkpoints])
    recalling.show(name)
    st.rerun()


def _shown(name: str, subject: Subject) -> None:
    device = runs.engine().devices()[-1]
    offered = tuple(filter(memories.remembers, memories.names()))
    known = {memory: recall_curve.probe(name, subject, memory, device) for memory in offered}
    begun = tuple(memory for memory, probe in known.items() if probing.known(probe))
    _head(name, subject)
    for row in ROWS:
        columns = st.columns([share for share, _ in row], gap="small") if len(row) > 1 else [st.container()]
        for column, (_, panel) in zip(columns, row, strict=True):
            with column:
                panel(name, subject, begun or offered, device)


def _head(name: str, subject: Subject) -> None:
    left, right = st.columns([4, 1.3], vertical_alignment="bottom")
    with left:
        st.title("What does it still know?", anchor=False)
        st.caption(heading(subject))
    with right, st.container(horizontal=True, horizontal_alignment="right", key="recall_away"):
        copy_link()
        recall_export.export(name, subject)


def heading(subject: Subject) -> str:
    """The document and its fact, as the page is headed."""
    place = subject.place(subject.start)
    at = f"{'planted' if subject.planted else 'stands'} at {place}" if place else "planted"
    fact = subject.fact if len(subject.fact) <= 120 else f"{subject.fact[:119].rstrip()}…"
    return plain(f"{subject.title} · fact {at}: “{fact}”") if subject.fact else plain(subject.title)
