"""What panels of the Recall page share: a button that begins probes, with what they cost, and how far they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import streamlit as st

from app import choices, memories, runs, state, theme
from app.bare import sentence
from app.jobs import Busy, Probe, Progress
from app.jobs.probe import Answer
from app.runs import costs
from app.views import parts


@dataclass(frozen=True)
class Standing:
    """Where probes are. done: answers, by the probes' ids. partial: what those that did not finish had found.

    live: going. open: neither done nor going, those with something in `partial` among them.
    """

    done: dict[str, Answer]
    partial: dict[str, Answer]
    live: list[Probe]
    open: list[Probe]


def standing(probes: Sequence[Probe]) -> Standing:
    """Where these are, in their order; of one that is going, `partial` has what it found so far."""
    where = {probe.id: _at(probe) for probe in probes}
    answers = {name: found for name in where if (found := runs.engine().answer(name)) is not None}
    partial = {name: found for name, found in answers.items() if found.get("partial")}
    done = {name: found for name, found in answers.items() if name not in partial}
    live = [probe for probe in probes if (at := where[probe.id]) is not None and at.live]
    return Standing(done, partial, live, [probe for probe in probes if probe.id not in done and probe not in live])


def known(probe: Probe) -> bool:
    """Whether this was ever asked, as far as the server knows."""
    return _at(probe) is not None or runs.engine().answer(probe.id) is not None


def wanted(probes: Sequence[Probe]) -> list[Probe]:
    """Those of the memories that are chosen in the sidebar; all where nothing was chosen in it yet."""
    chosen = choices.value("probed", None)
    return [probe for probe in probes if chosen is None or probe.checkpoint in chosen]


def names(probes: Sequence[Probe]) -> str:
    """The memories that these ask, as a label shows them."""
    return ", ".join(state.plain(theme.label(probe.checkpoint)) for probe in probes)


def start(key: str, probes: Sequence[Probe], tokens: int, note: str) -> None:
    """A button that begins these probes, as far as they are `wanted`, and says what they take.

    tokens: that each of them reads. note: its verb; the memories are named where another one has answered the same.
    """
    probes = wanted(probes)
    if not probes:
        return
    seconds = sum(costs.seconds(probe.kind, tokens, probe.checkpoint, probe.device) for probe in probes)
    if standing([replace(probes[0], checkpoint=name) for name in memories.names()]).done:
        note = f"{note} {names(probes)}"
    st.button(f"{note}: takes {theme.about(seconds)}", key=f"{key}_start", on_click=begin, args=(probes,))


def begin(probes: Sequence[Probe]) -> None:
    """Begin these; where no more are taken, that is said."""
    try:
        for probe in probes:
            runs.engine().submit(probe, state.person())
    except Busy as error:
        parts.refused(error)


def going(key: str, probes: Sequence[Probe]) -> None:
    """Bars of those of the probes that are going, with Cancel; why others came to nothing, in words."""
    problems(probes)
    live = [probe for probe in probes if (at := _at(probe)) is not None and at.live]
    if live:
        _progress(key, live)


def problems(probes: Sequence[Probe]) -> None:
    """Why those that failed or were cancelled came to nothing, in words."""
    for probe in probes:
        problem(probe)


def _at(probe: Probe) -> Progress | None:
    return runs.progress(probe.id)


def problem(probe: Probe) -> None:
    """Why this came to nothing, in words."""
    at = _at(probe)
    name = state.plain(theme.label(probe.checkpoint))
    if at is not None and at.failed:
        st.error(f"{name}: {state.plain(sentence(at.message))}")
    elif at is not None and at.state == "cancelled":
        kept = runs.engine().answer(probe.id) is not None
        st.caption(f"{name} was cancelled. {'What was found so far is kept.' if kept else 'Nothing of it is kept.'}")


@st.fragment(run_every=0.3)
def _progress(key: str, live: list[Probe]) -> None:
    """The page is drawn anew whenever one of them ends."""
    if bars(key, live) != len(live):
        st.rerun()


def bars(key: str, probes: Sequence[Probe]) -> int:
    """Bars of those of the probes that are going, with Cancel; how many there are."""
    where = [(probe, at) for probe in probes if (at := _at(probe)) is not None and at.live]
    for _, at in where:
        st.progress(at.done / at.total if at.total else 0.0, text=parts.progress_words(at))
    if where and st.button("Cancel", key=f"{key}_cancel"):
        for probe, _ in where:
            runs.engine().cancel(probe.id)
    return len(where)
