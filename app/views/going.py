"""The runs that the address names: how far they are, what went wrong with them, and those that can be shown."""

from __future__ import annotations

import streamlit as st

from app import naming, opening, runs, state
from app.bare import bare, sentence
from app.jobs import Busy, Progress
from app.state import address
from app.views import parts
from app.words import words
from titans_core.errors import StoreError

SOON, LONG = 0.3, 1.0  # seconds
NO_RUN = "The address of this page does not name a run."


def finished(ids: tuple[str, ...]) -> list[runs.Run]:
    """Draw progress and problems of these runs; those that are done and can be opened."""
    where = {run: runs.progress(run) for run in ids}
    live = [at for at in where.values() if at is not None and at.live]
    if live:
        every = _pace(live)
        st.fragment(run_every=every)(_progress)(ids, len(live), every)
    if any(at is None for at in where.values()):
        st.warning(words("expired"))
    for at in where.values():
        name = state.plain(naming.asked(at.checkpoint, at.changes, at.texts)) if at is not None else ""
        if at is not None and at.failed:
            said = state.plain(sentence(at.message))
            st.error(f"{name}: {'interrupted. ' * (at.state == 'interrupted')}{said}")
        if at is not None and at.state == "cancelled":
            st.info(f"The {name} run was cancelled. Nothing of it is kept.")
    _run_again([run for run, at in where.items() if at is not None and at.broken])
    done = [run for run, at in where.items() if at is not None and at.state == "done"]
    return [run for run in map(opened, done) if run is not None]


def _run_again(ended: list[str]) -> None:
    """A button for the runs that came to nothing, which keep their ids: who has the address sees them go on."""
    if ended:
        label = "Run again" if len(ended) == 1 else f"Run these {len(ended)} again"
        st.button(label, key="run_again", icon=":material/replay:", on_click=_again, args=(ended,))


def _again(ended: list[str]) -> None:
    try:
        kept = [run for run in ended if runs.engine().again(run, state.person())]
    except Busy as error:
        parts.refused(error)
        return
    if len(kept) < len(ended):
        parts.refused(Exception("What was asked for is not kept any more. Choose the text and press Run."))
    if set(kept) - set(address.run_ids()):
        address.show(kept)


def ended_badly(run: str) -> bool:
    at = runs.progress(run)
    return at is not None and at.broken


def of_one_text(opened: list[runs.Run]) -> list[runs.Run]:
    """Those of the first one's text."""
    return [run for run in opened if run.ds.attrs["text_sha256"] == opened[0].ds.attrs["text_sha256"]]


def opened(run: str) -> runs.Run | None:
    """The finished run; None where it is gone, and where it cannot be read, which is said."""
    try:
        return runs.opened(run)
    except StoreError as error:
        st.error(f"The stored run {run[:6]}… cannot be read: {state.plain(bare(error))}. Run the text again.")
        return None


def _pace(live: list[Progress]) -> float:
    """Seconds until a browser asks again: of twenty people who wait for long, each may wait for one of them."""
    begins = [at.seconds_left for at in live if at.state == "queued" and at.ahead and at.seconds_left is not None]
    return LONG if len(begins) == len(live) and min(begins) > 3 * LONG else SOON


def _progress(ids: tuple[str, ...], live_before: int, every: float) -> None:
    """Bars of the runs that are going, and Cancel; the page is drawn anew whenever one of them ends, or soon begins."""
    going = [(run, at) for run in ids if (at := runs.progress(run)) is not None and at.live]
    if len(going) != live_before or _pace([at for _, at in going]) < every:
        done = [run for run in ids if (at := runs.progress(run)) is not None and at.state == "done"]
        if done:
            opening.announce(done[0])  # its page is open: the browser draws the text before all else
        st.rerun()
    with st.container(border=True, key="panel_progress"):
        st.markdown(f"**{state.plain(going[0][1].title)}**" if going else "")
        for _, at in going:
            st.progress(at.done / at.total if at.total else 0.0, text=parts.progress_words(at))
        if st.button("Cancel", key="cancel"):
            for run, _ in going:
                runs.engine().cancel(run)
