"""Explore: one text through one or more memories, token by token."""

from __future__ import annotations

import streamlit as st
from streamlit.navigation.page import StreamlitPage

import titans_core as tc
from app import runs, samples, state
from app.jobs import Job
from app.views import controls, going, results
from app.words import words


def page(comparing: StreamlitPage) -> None:
    """The sidebar's request, and the runs that the address names: their progress, problems and results.

    comparing: the page on which several runs are compared.
    """
    if not tc.checkpoints():
        st.title("Nothing to run yet")
        st.warning(words("no_checkpoint"))
        return
    if state.run_ids():
        _shown(state.run_ids(), comparing)  # before the sidebar, whose many controls would hold up the text
    with st.sidebar:
        asked = controls.request()
        if st.button("Run", type="primary", width="stretch", key="run") and _start(asked):
            st.rerun()
        controls.cost(asked)
    if not state.run_ids() and not state.wrong_address() and state.first_visit():
        _welcome()
        st.rerun()
    if state.wrong_address():
        st.warning("The address of this page does not name a run. Choose a text and press Run.")
    if not state.run_ids():
        _shown((), comparing)


def _start(asked: state.Request) -> bool:
    """Begin the runs; False where that is refused."""
    if asked.problem:
        st.error(state.plain(asked.problem))
        return False
    jobs = [Job(name, asked.text, asked.title, asked.device) for name in asked.checkpoints]
    state.show([runs.engine().submit(job) for job in jobs])
    return True


def _welcome() -> None:
    """A newcomer sees the first sample at once."""
    sample = samples.samples()[0]
    state.show([runs.shared_run(Job(tc.checkpoints()[0], sample.text, sample.title))])


def _shown(ids: tuple[str, ...], comparing: StreamlitPage) -> None:
    opened = going.finished(ids)
    same = going.of_one_text(opened)
    if len(same) < len(opened):
        st.warning("The runs in this address are of different texts. Those of the first text are shown.")
    if len(same) > 1:
        st.page_link(
            comparing, label="Compare these runs", icon=":material/compare_arrows:", query_params=state.query()
        )
    if same:
        results.results(same)
    elif not ids:
        st.title("Explore")
        st.write("Choose a text and one or more memories, then press Run.")
