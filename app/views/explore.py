"""Explore: one text through one or more memories, token by token."""

from __future__ import annotations

import streamlit as st

import titans_core as tc
from app import runs, samples, state, theme
from app.jobs import Job
from app.views import controls, parts, results
from app.words import words
from titans_core.errors import StoreError


def page() -> None:
    """The sidebar's request, then the runs that the address names: their progress, problems and results."""
    if not tc.checkpoints():
        st.title("Nothing to run yet")
        st.warning(words("no_checkpoint"))
        return
    if state.run_ids():
        _shown(state.run_ids())  # before the sidebar, whose many controls would hold up the text
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
        _shown(())


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


def _shown(ids: tuple[str, ...]) -> None:
    where = {run: runs.progress(run) for run in ids}
    if any(at is not None and at.live for at in where.values()):
        _progress(ids, sum(at is not None and at.live for at in where.values()))
    if any(at is None for at in where.values()):
        st.warning(words("expired"))
    for at in where.values():
        if at is not None and at.state == "failed":
            st.error(f"{theme.label(at.checkpoint)}: {state.plain(controls.sentence(Exception(at.message)))}")
        if at is not None and at.state == "cancelled":
            st.info(f"The {theme.label(at.checkpoint)} run was cancelled. Nothing of it is kept.")
    finished = [run for run, at in where.items() if at is not None and at.state == "done"]
    opened = [run for run in map(_opened, finished) if run is not None]
    same = [run for run in opened if run.ds.attrs["text_sha256"] == opened[0].ds.attrs["text_sha256"]]
    if len(same) < len(opened):
        st.warning("The runs in this address are of different texts. Those of the first text are shown.")
    if same:
        results.results(same)
    elif not ids:
        st.title("Explore")
        st.write("Choose a text and one or more memories, then press Run.")


def _opened(run: str) -> runs.Run | None:
    try:
        return runs.opened(run)
    except StoreError as error:
        st.error(f"The stored run {run[:6]}… cannot be read: {state.plain(str(error))}. Run the text again.")
        return None


@st.fragment(run_every=0.3)
def _progress(ids: tuple[str, ...], live_before: int) -> None:
    """Bars of the runs that are going, and Cancel; the page is drawn anew whenever one of them ends."""
    going = [(run, at) for run in ids if (at := runs.progress(run)) is not None and at.live]
    if len(going) != live_before:
        st.rerun()
    with st.container(border=True, key="panel_progress"):
        st.markdown(f"**{state.plain(going[0][1].title)}**" if going else "")
        for _, at in going:
            st.progress(at.done / at.total if at.total else 0.0, text=parts.progress_words(at))
        if st.button("Cancel", key="cancel"):
            for run, _ in going:
                runs.engine().cancel(run)
