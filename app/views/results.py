"""The finished runs of one text: the text, the same through time, the same through layers, and the one token."""

from __future__ import annotations

import json
from typing import Any

import streamlit as st

from app import naming, opening, runs, samples, state, theme
from app.runs import Run
from app.views import contrast, panels, parts, take_away
from app.views.memory import memory_over_time
from app.views.passages import passage_panel
from app.views.sanity import sanity_panel
from app.words import words
from titans_core.errors import StoreError


def results(shown: list[Run]) -> None:
    """Everything below the progress bars. Looking around reruns only its parts, and first what it is about."""
    state.consists_of(*parts.EXPLORE)
    if not _begin(shown):
        return
    alone = len(shown) == 1
    _export(shown)
    if not alone:
        _text(shown)
    left, right = st.columns([2.75, 1] if alone else [1.9, 1], gap="small")
    with left:
        if alone:
            _text(shown)
        _figures(shown)
        memory_over_time(shown)
    with right:
        _side(shown)


def compared(shown: list[Run]) -> None:
    """The same runs side by side, and below what sets two of them apart."""
    state.consists_of(*parts.COMPARE)
    if not _begin(shown):
        return
    _export(shown)
    _text(shown)
    _difference(shown)
    left, right = st.columns([1.9, 1], gap="small")
    with left:
        _figures(shown)
    with right:
        _apart(shown)
        contrast.order(shown)


def _begin(shown: list[Run]) -> bool:
    """What stands above, and the first token that is looked at; whether the runs could be read."""
    _head(shown)
    for end in filter(None, (naming.diverged(run.ds) for run in shown)):
        st.warning(state.plain(end))
    try:
        _arrive(shown)
    except StoreError as error:
        _damaged(error)
        return False
    return True


def _head(shown: list[Run]) -> None:
    st.title(state.plain(shown[0].title or "Untitled text"), anchor=False)
    st.caption("  \n".join(state.plain(_facts(run)) for run in shown))
    st.markdown(f":small[{words('how_to_read')}]")
    sample = samples.by_title(shown[0].title)
    if sample:
        with st.expander("What to watch in this text"):
            st.markdown("\n".join(f"- {state.plain(line)}" for line in (sample.shows, *sample.watch)))
            st.caption(words("not_importance"))


def _facts(run: Run) -> str:
    at = run.ds.attrs
    known = theme.VARIANTS.get(run.checkpoint)
    return " · ".join(
        (
            run.name + (f", {known.meaning}" if known else ""),
            f"{theme.parameters(int(at['parameters']))} parameters, trained",
            f"{run.ds.sizes['token']:,} tokens",
            *([f"update chunk {at['chunk']}"] if "surprise" in run.ds else []),
            _window(at),
            f"{theme.duration(float(at['seconds']))} on {str(at['device']).upper()}",
            f"run {run.id[:6]}…",
        )
    )


def _window(at: dict[Any, Any]) -> str:
    """How far attention reaches; a segment is also the unit in which MAC reads its memory."""
    window = json.loads(at["config"]).get("window")
    if at["variant"] == "lmm":
        return "no attention"
    return f"{'segments' if at['variant'] == 'mac' else 'attention window'} of {window} tokens"


def _arrive(shown: list[Run]) -> None:
    """Of a text that is new here, select the token of the highest passage, unless the address names one."""
    if state.arrive(shown[0].ds.attrs["text_sha256"]):
        look = _look(shown)
        if look.token is None:
            highest = runs.found(_first(shown, look).id, look.signal, look.layer)
            state.select(highest[0].token if highest else 0)


def _look(shown: list[Run]) -> state.Look:
    traces = [run.ds for run in shown]
    names = [name for name in theme.SIGNALS if any(name in ds.data_vars for ds in traces)]
    return state.look(names, traces[0].sizes.get("layer", 0), traces[0].sizes["token"])


def _first(shown: list[Run], look: state.Look) -> Run:
    return next(run for run in shown if look.signal in run.ds)


def _damaged(error: StoreError) -> None:
    st.error(f"A part of the stored run cannot be read: {state.plain(str(error))}. Run the text again.")


@st.fragment(key="export")
def _export(shown: list[Run]) -> None:
    take_away.take_away(shown, _look(shown))


@st.fragment(key="text")
def _text(shown: list[Run]) -> None:
    try:
        panels.text(shown, _look(shown))
    except StoreError as error:
        _damaged(error)


@st.fragment(key="figures")
def _figures(shown: list[Run]) -> None:
    look = _look(shown)
    try:
        panels.through_time(shown, look)
        opening.after_first(shown[0].id)  # all that follows is drawn then, and does not keep the browser from it
        panels.layer_map(shown, look)
    except StoreError as error:
        _damaged(error)


@st.fragment(key="side")
def _side(shown: list[Run]) -> None:
    look = _look(shown)
    try:
        panels.one_token(shown, look)
        passage_panel(_first(shown, look), look)
        sanity_panel(shown, look)
    except StoreError as error:
        _damaged(error)


@st.fragment(key="difference")
def _difference(shown: list[Run]) -> None:
    try:
        contrast.difference(shown, _look(shown))
    except StoreError as error:
        _damaged(error)


@st.fragment(key="side")
def _apart(shown: list[Run]) -> None:
    try:
        contrast.apart(shown, _look(shown))
    except StoreError as error:
        _damaged(error)
