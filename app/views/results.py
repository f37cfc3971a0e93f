"""The finished runs of one text: the text, the same through time, the same through layers, and the one token."""

from __future__ import annotations

import json
from typing import Any

import streamlit as st

from app import samples, state, theme
from app.runs import Run
from app.views import panels
from app.words import words


def results(shown: list[Run]) -> None:
    """Everything below the progress bars. Looking around reruns only this part."""
    _head(shown)
    _body(shown)


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
            theme.label(run.checkpoint) + (f", {known.meaning}" if known else ""),
            f"{theme.parameters(int(at['parameters']))} parameters, trained",
            f"{run.ds.sizes['token']:,} tokens",
            f"update chunk {at['chunk']}",
            _window(at),
            f"{theme.duration(float(at['seconds']))} on {str(at['device']).upper()}",
            f"run {run.id[:6]}…",
        )
    )


def _window(at: dict[Any, Any]) -> str:
    """How far attention reaches; a segment is also the unit in which MAC reads its memory."""
    window = json.loads(at["config"]).get("window")
    return f"{'segments' if at['variant'] == 'mac' else 'attention window'} of {window} tokens"


@st.fragment
def _body(shown: list[Run]) -> None:
    traces = [run.ds for run in shown]
    names = [name for name in theme.SIGNALS if any(name in ds.data_vars for ds in traces)]
    look = state.look(names, traces[0].sizes.get("layer", 0), traces[0].sizes["token"])
    first = next(run for run in shown if look.signal in run.ds)
    highest = panels.found(first, look.signal, look.layer)
    if state.begin_at([run.id for run in shown], highest[0].token if highest else 0):
        look = state.look(names, traces[0].sizes.get("layer", 0), traces[0].sizes["token"])
    alone = len(shown) == 1
    if alone:
        left, right = st.columns([2.75, 1], gap="small")
        with left:
            panels.text(shown, look)
        with right:
            panels.one_token(shown, look)
    else:
        panels.text(shown, look)
    left, right = st.columns([2.75, 1] if alone else [1.9, 1], gap="small")
    with left:
        panels.through_time(shown, look)
        panels.layer_map(shown, look)
        if not alone:
            panels.highest(first, look.signal, highest)
    with right:
        if alone:
            panels.highest(first, look.signal, highest)
        else:
            panels.one_token(shown, look)
