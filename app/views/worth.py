"""What does the memory buy? The same text read with memory reads zeroed, and how many bits of prediction that costs."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from app import comparisons, held, naming, runs, state, theme
from app.components import cards, text_heatmap
from app.jobs import Busy, Job, sanity
from app.link import Look
from app.runs import Run, costs, shared
from app.state import looking
from app.views import parts
from app.words import words
from titans_core.passages import SPAN
from titans_core.settings import Settings

ZEROED = ("reads=off",)
KEY = "text_worth"


def worth_panel(shown: list[Run], look: Look) -> None:
    """Of one of the shown runs that have a memory and were not changed; nothing where there is none."""
    able = {run.id: run for run in shown if "memory" in run.ds and naming.settings_of(run.ds) == Settings()}
    if not able:
        return
    with st.container(border=True, key="panel_worth"):
        head = st.container()
        run = able[_choice(able)]
        with head:
            parts.title("What does the memory buy?", f"{run.name}, against the same with memory reads zeroed")
        _panel(run, look)


def _choice(able: dict[str, Run]) -> str:
    if len(able) == 1:
        return next(iter(able))
    chosen: str = st.segmented_control(
        "Memory",
        list(able),
        default=next(iter(able)),
        required=True,
        format_func=lambda run: state.plain(able[run].name),
        key=f"worth of {' '.join(able)}",
        label_visibility="collapsed",
    )
    return chosen


def _panel(run: Run, look: Look) -> None:
    if refused := sanity.other_weights(run.ds):
        st.caption(state.plain(refused))
        return
    if run.ds.sizes["token"] == 1:
        st.caption("Nothing: the text has 1 token, and the first is predicted from nothing.")
        return
    begin = held.at_start(run)
    if begin is None:
        st.caption("The run began with a memory that is not kept here, so it cannot be read anew.")
        return
    job, key = _job(run, begin), f"zeroed {run.id}"  # found again by the run, whose text may be long
    without = shared.known(key)
    at = runs.progress(without) if without else None
    if without and at is not None and at.state == "done" and (zeroed := runs.opened(without)) is not None:
        _answer(run, zeroed, look)
        return
    if without and at is not None and at.live:
        _progress(without)
        return
    if at is not None and at.broken:
        st.caption(state.plain(at.message or "The reading was cancelled. Nothing of it is kept."))
    st.caption(words("worth"))
    expected = costs.cost(run.ds.sizes["token"], (run.checkpoint,), job.device)
    st.button(
        f"Read it so: takes {theme.about(expected.seconds)}",
        key="worth_start",
        on_click=_start,
        args=(key, job),
    )


def _start(key: str, job: Job) -> None:
    try:
        shared.begin(key, job, state.person())
    except Busy as error:
        parts.refused(error)


def _job(run: Run, begin: str) -> Job:
    device = str(run.ds.attrs["device"]).partition(":")[0]
    device = device if device in runs.engine().devices() else "cpu"
    return Job(run.checkpoint, str(run.ds.attrs["text"]), run.title, device, ZEROED, begin, run.places)


@st.fragment(run_every=0.3)
def _progress(without: str) -> None:
    """The bar of the reading, and Cancel; the page is drawn anew when it ends."""
    at = runs.progress(without)
    if at is None or not at.live:
        st.rerun()
    st.progress(at.done / at.total if at.total else 0.0, text=parts.progress_words(at))
    if st.button("Cancel", key="worth_cancel"):
        runs.engine().cancel(without)


def _answer(run: Run, zeroed: Run, look: Look) -> None:
    saved, won, lost, count = comparisons.won(run.id, zeroed.id)
    each = saved / max(1, count)
    st.markdown(
        f"The memory saved **{theme.signed(saved, ',.0f')} bits** over {count:,} tokens, {theme.signed(each, '.3f')} a "
        f"token: {won:,.0f} won where it helped, {lost:,.0f} lost where it misled."
    )
    minus = text_heatmap.Minus(
        zeroed.id, run.id, False, "bits saved", "bits that the memory saved", None, key=KEY, fixed=True
    )
    text_heatmap.text_heatmap(
        [(zeroed.id, zeroed.ds), (run.id, run.ds)],
        replace(look, signal="nll", layer=None),
        dark=state.palette().dark,
        minus=minus,
        on_change=lambda name: parts.then_draw(looking.follow(KEY, name), *("text", "side") * (name == "token")),
    )
    st.caption("Orange: the memory made the token less surprising. Blue: more. " + words("worth_note"))
    helped, misled = comparisons.saved(run.id, zeroed.id)
    columns = st.columns(2, gap="small")
    for column, name, listed in zip(columns, ("helped", "misled"), (helped, misled), strict=True):
        with column:
            parts.title(f"Where it {name} most", f"bits, mean over {SPAN} tokens")
            if not listed:
                st.caption("Nowhere.")
            key = f"worth_{name}"
            picked = parts.then_draw(looking.follow(key, "token"), "text", "side")
            cards.passage_list(key, listed, run.stood, picked, signed=True)
