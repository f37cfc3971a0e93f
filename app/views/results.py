"""The finished runs of one text: the text, the same through time, the same through layers, and the one token."""

from __future__ import annotations

import json
from typing import Any

import streamlit as st

from app import runs, samples, state, theme
from app.runs import Run
from app.views import panels, take_away
from app.views.passages import passage_panel
from app.views.sanity import sanity_panel
from app.words import words
from titans_core.errors import StoreError


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
    try:
        _panels(shown)
    except StoreError as error:
        st.error(f"A part of the stored run cannot be read: {state.plain(str(error))}. Run the text again.")


def _panels(shown: list[Run]) -> None:
    traces = [run.ds for run in shown]
    names = [name for name in theme.SIGNALS if any(name in ds.data_vars for ds in traces)]
    layers, tokens = traces[0].sizes.get("layer", 0), traces[0].sizes["token"]
    new = state.arrive(traces[0].attrs["text_sha256"])
    look = state.look(names, layers, tokens)
    first = next(run for run in shown if look.signal in run.ds)
    highest = runs.found(first.id, look.signal, look.layer)
    if new and look.token is None:
        state.select(highest[0].token if highest else 0)
        look = state.look(names, layers, tokens)
    take_away.take_away(shown, look)
    alone = len(shown) == 1
    if not alone:
        panels.text(shown, look)
    left, right = st.columns([2.75, 1] if alone else [1.9, 1], gap="small")
    with left:
        if alone:
            panels.text(shown, look)
        panels.through_time(shown, look)
        panels.layer_map(shown, look)
        panels.linked(shown, look)
    with right:
        panels.one_token(shown, look)
        passage_panel(first, look)
        sanity_panel(shown, look)
