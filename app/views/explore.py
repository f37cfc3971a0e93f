"""Explore: one text through one or more memories, token by token."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import streamlit as st
from streamlit.navigation.page import StreamlitPage

import titans_core as tc
from app import comparisons, library, state
from app.bare import sentence
from app.jobs import Busy, Job
from app.runs import Run, shared
from app.state import address
from app.views import controls, going, results
from app.words import words
from titans_core.documents import packed
from titans_core.errors import StoreError


def page(comparing: StreamlitPage) -> None:
    """The sidebar's request, and the runs that the address names: their progress, problems and results.

    comparing: the page on which several runs are compared.
    """
    if not tc.checkpoints():
        st.title("Nothing to run yet")
        st.warning(words("no_checkpoint"))
        return
    shown: list[Run] = []
    if address.run_ids():
        shown = _shown(address.run_ids(), comparing)  # before the sidebar, whose many controls would hold up the text
    with st.sidebar:
        _asking(shown)
    if not address.run_ids() and not address.wrong_address() and state.first_visit():
        _welcome()
        st.rerun()
    if address.wrong_address():
        st.warning(f"{going.NO_RUN} Choose a text and press Run.")
    if not address.run_ids():
        _shown((), comparing)


@st.fragment(key="asking")
def _asking(shown: list[Run]) -> None:
    """What to run next: choosing it leaves the page as it is, so only this is drawn again."""
    asked = controls.request(shown)
    pressed = st.button("Run", type="primary", width="stretch", key="run", disabled=bool(asked.problem))
    if pressed and _start(asked):
        st.rerun()
    controls.cost(asked)
    _not_yet(asked)


def _start(asked: controls.Request) -> bool:
    """Begin the runs; False where they are not taken, or the memory to begin with cannot be had, which is said."""
    places = packed(asked.document) if asked.document else ""
    jobs = [Job(name, asked.text, asked.title, asked.device, places=places) for name in asked.checkpoints]
    try:
        address.show(_begun(jobs, asked))
    except (OSError, StoreError, Busy) as error:
        st.error(state.plain(sentence(error)))
        return False
    return True


def _begun(jobs: list[Job], asked: controls.Request) -> list[str]:
    """Raises OSError and StoreError where the memory to begin with cannot be had, and Busy."""
    person = state.person()
    if asked.begin is None:
        return library.begin(jobs)
    begin = asked.begin.stored()
    (job,) = jobs  # a memory is of one checkpoint
    empty = f"empty {job.checkpoint} {job.device} {hashlib.sha256(job.text.encode()).hexdigest()}"
    return [shared.begin(empty, job, person), *library.begin([replace(job, begin=begin)])]


def _welcome() -> None:
    """A newcomer sees the first sample at once; mostly app.routes led here with its run in the address."""
    address.show([shared.welcome()])


def _not_yet(asked: controls.Request) -> None:
    """Say that the page shows another text than the one that is chosen."""
    _, of = address.remembered()
    if of is not None and not asked.problem and hashlib.sha256(asked.text.encode()).hexdigest() != of:
        st.caption("The page shows another text. Run reads this one.")


def _shown(ids: tuple[str, ...], comparing: StreamlitPage) -> list[Run]:
    """Draw what there is of these runs; those that are shown."""
    with st.container():  # whatever it says, what follows keeps its place and is not built anew in the browser
        same = _found(ids, comparing)
    address.remember([run.id for run in same], same[0].ds.attrs["text_sha256"] if same else None)
    if same:
        results.results(same)
    elif not ids:
        st.title("Explore")
        st.write("Choose a text and one or more memories, then press Run.")
    return same


def _found(ids: tuple[str, ...], comparing: StreamlitPage) -> list[Run]:
    """The runs to show, and above them what there is to say: those of the address, or those that were shown before."""
    opened = going.finished((*address.ended(), *ids))
    same = going.of_one_text(opened)
    if len(same) < len(opened):
        st.warning("The runs in this address are of different texts. Those of the first text are shown.")
    if len(same) > 1:
        st.page_link(
            comparing, label="Compare these runs", icon=":material/compare_arrows:", query_params=address.query()
        )
        count, same = len(same), comparisons.of_the_same_tokens(same)
        if len(same) < count:
            st.info(words("other_tokens"))
    if not same:
        before, _ = address.remembered()
        same = [run for run in map(going.opened, before) if run is not None]
        if same:
            st.caption(f"Below is what was shown before: {state.plain(same[0].title)}.")
            if ids and all(going.ended_badly(run) for run in ids):
                address.fall_back(before)
                st.rerun()
    return same
