"""Recall: a fact of a document, and what memories still know of it as they read on."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from app import memories, recalling, runs
from app.components.copy_link import copy_link
from app.jobs import Subject
from app.state import plain
from app.views import controls, probing, recall_controls, recall_curve, recall_export
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
    begun: tuple[str, ...] = ()
    if name is not None and subject is not None:
        begun = _begun(name, subject)
        _head(name, subject)
        _panels(name, subject, begun)
    else:
        st.title("What does it still know?", anchor=False)
        if name or recalling.wrong_address():
            st.warning(words("no_subject"))
        else:
            st.write(words("recall"))
    with st.sidebar:
        asked = recall_controls.request(name, subject, begun)
        pressed = st.button("Probe", type="primary", width="stretch", key="probe", disabled=bool(asked.problem))
        if pressed and asked.subject is not None:
            _probe(name, subject, asked.subject, asked)
        recall_controls.cost(asked)
        if subject is not None and asked.subject is not None and asked.subject != subject:
            st.caption("The page is about another document or fact. Probe asks for this one.")


def _begun(name: str, subject: Subject) -> tuple[str, ...]:
    """The memories that were asked for the fact, whatever came of it."""
    offered = filter(memories.remembers, memories.names())
    return tuple(memory for memory in offered if probing.known(recall_curve.probe(name, subject, memory, "cpu")))


def _probe(name: str | None, shown: Subject | None, subject: Subject, asked: recall_controls.Asked) -> None:
    """Begin the probes, and have the page be about this subject."""
    if name is None or shown != subject:
        name = runs.engine().keep_subject(subject)
    probing.begin([recall_curve.probe(name, subject, memory, asked.device) for memory in asked.checkpoints])
    recalling.show(name)
    st.rerun()


def _panels(name: str, subject: Subject, begun: tuple[str, ...]) -> None:
    asked = begun or tuple(filter(memories.remembers, memories.names()))
    for row in ROWS:
        columns = st.columns([share for share, _ in row], gap="small") if len(row) > 1 else [st.container()]
        for column, (_, panel) in zip(columns, row, strict=True):
            with column:
                panel(name, subject, asked, controls.device())


def _head(name: str, subject: Subject) -> None:
    left, right = st.columns([4, 1.7])
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
