"""Recall: a fact of a document, and what memories still know of it as they read on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import streamlit as st

from app import memories, recalling, runs
from app.components.copy_link import copy_link
from app.jobs import Subject
from app.runs import subjects
from app.state import plain
from app.views import (
    ask_panel,
    controls,
    grid_panel,
    probing,
    recall_controls,
    recall_curve,
    recall_export,
    retention_panel,
)
from app.words import words

Panel = Callable[[str, Subject, tuple[str, ...], str], None]
# Row by row, each panel with its share of the width.
ROWS: tuple[tuple[tuple[int, Panel], ...], ...] = (
    ((68, recall_curve.panel), (32, ask_panel.panel)),
    ((100, retention_panel.panel),),
    ((100, grid_panel.panel),),
)


def page() -> None:
    """What the address is about, and every question that was put to it."""
    name = recalling.subject_id()
    subject = subjects.subject(name) if name else None
    begun: tuple[str, ...] = ()
    notice = None
    if name is not None and subject is not None:
        begun = _begun(name, subject)
        recall_controls.follow(name, subject, begun)
        _head(name, subject)
        notice = st.container()  # the sidebar, which is drawn last, may ask for something else
        _panels(name, subject)
    else:
        st.title("What does it still know?", anchor=False)
        if name or recalling.wrong_address():
            st.warning(words("no_subject"))
        else:
            st.write(words("recall"))
    with st.sidebar:
        asked = recall_controls.request(name, subject, begun)
        _ask(name, subject, asked)
    if notice is not None and subject is not None and asked.subject != subject:
        notice.info(_another(subject, asked.problem))


def _another(shown: Subject, problem: str) -> str:
    """The sidebar asks for something else than the page is about. problem: why Probe is not offered."""
    return (
        f"The sidebar asks for another document or fact; this page is about {plain(shown.title)}, "
        f"“{plain(_short(shown.fact, 40).rstrip('.'))}”. {plain(problem) or 'Press Probe.'}"
    )


def _ask(name: str | None, shown: Subject | None, asked: recall_controls.Asked) -> None:
    """The button that begins what is asked for and was not asked yet, and what it costs."""
    same = name is not None and shown is not None and asked.subject == shown
    at = _standing(name, asked) if name is not None and same else None
    left = asked.checkpoints if at is None else tuple(probe.checkpoint for probe in at.open)
    problem = asked.problem
    if at is not None and not left and not problem:
        problem = "All of this is being answered." if at.live else "All of this was asked: its answers are on the page."
    pressed = st.button("Probe", type="primary", width="stretch", key="probe", disabled=bool(problem))
    if pressed and asked.subject is not None:
        begin = name if name is not None and same else runs.engine().keep_subject(asked.subject)
        probing.begin([recall_curve.probe(begin, asked.subject, memory, asked.device) for memory in left])
        recalling.show(begin)
        st.rerun()
    recall_controls.cost(replace(asked, checkpoints=left, problem=problem))


def _standing(name: str, asked: recall_controls.Asked) -> probing.Standing | None:
    """Where the probes are that ask for the subject `name`, a memory each; None where nothing can be asked."""
    if asked.subject is None:
        return None
    return probing.standing(
        [recall_curve.probe(name, asked.subject, memory, asked.device) for memory in asked.checkpoints]
    )


def _begun(name: str, subject: Subject) -> tuple[str, ...]:
    """The memories that were asked for the fact, whatever came of it."""
    offered = filter(memories.remembers, memories.names())
    return tuple(memory for memory in offered if probing.known(recall_curve.probe(name, subject, memory, "cpu")))


def _panels(name: str, subject: Subject) -> None:
    """What every memory answered; which of them are asked further questions, the sidebar says (probing.wanted)."""
    asked = tuple(filter(memories.remembers, memories.names()))
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
    return plain(f"{subject.title} · fact {at}: “{_short(subject.fact)}”") if subject.fact else plain(subject.title)


def _short(fact: str, most: int = 120) -> str:
    """On one line, of at most so many characters."""
    words = " ".join(fact.split())
    return words if len(words) <= most else f"{words[: most - 1].rstrip()}…"
