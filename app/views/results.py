"""The finished runs of one text: the text, the same through time, the same through layers, and the one token."""

from __future__ import annotations

import streamlit as st

from app import foreign, link, naming, opening, samples, state, theme
from app.bare import bare
from app.exports.report_tables import sentence
from app.figures import aggregate
from app.link import Look
from app.runs import Run, traced
from app.state import address, looking
from app.views import contrast, memory_states, panels, parts, take_away
from app.views.memory import memory_over_time
from app.views.passages import passage_panel
from app.views.sanity import sanity_panel
from app.views.worth import worth_panel
from app.words import words
from titans_core.errors import StoreError
from titans_core.passages import inside_segments


def results(shown: list[Run]) -> None:
    """Everything below the progress bars. Looking around reruns only its parts, and first what it is about."""
    state.consists_of(*parts.EXPLORE)
    if not _begin(shown):
        return
    alone = len(shown) == 1
    _export(shown)
    if not alone:
        memory_states.first_text(shown)
        _text(shown)
    left, right = st.columns([2.75, 1] if alone else [1.9, 1], gap="small")
    with left:
        if alone:
            _text(shown)
        _figures(shown)
        memory_over_time(shown)
        _worth(shown)
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
        _figures(shown, comparing=True)
        _states(shown)
    with right:
        _apart(shown)
        panels.order(shown)


def _begin(shown: list[Run]) -> bool:
    """What stands above, and the first token that is looked at; whether the runs could be read."""
    for run in shown:
        aggregate.at_hand(run.ds)
    _head(shown)
    for end in filter(None, (naming.diverged(run.ds) for run in shown)):
        st.warning(state.plain(end))
    with st.container():  # whatever it says, what follows keeps its place
        try:
            _arrive(shown)
        except StoreError as error:
            _damaged(error)
            return False
    return True


def _head(shown: list[Run]) -> None:
    st.title(state.plain(shown[0].title or "Untitled text"), anchor=False)
    st.caption("  \n".join(state.plain(sentence(run)) for run in shown))
    for line in foreign.told([run.ds for run in shown], [run.name for run in shown]):
        st.caption(state.plain(line))
    remembering = any("memory" in run.ds for run in shown)
    surprised = any("surprise" in run.ds for run in shown)
    layered = any("layer" in run.ds.dims for run in shown)
    how = "how_to_read" if surprised else "how_to_read_other" if layered else "how_to_read_no_memory"
    st.markdown(f":small[{words(how)}]")
    sample = samples.by_title(shown[0].title)
    if sample and remembering:  # all there is to watch is of memories
        with st.expander("What to watch in this text"):
            st.markdown("\n".join(f"- {state.plain(line)}" for line in (sample.shows, *sample.watch)))
            st.caption(words("not_importance"))


def _arrive(shown: list[Run]) -> None:
    """Where a link led here, say once what of it is not possible. Select the highest word, unless it names a token."""
    asked = looking.arrive(shown[0].ds.attrs["text_sha256"])
    if asked is None:
        return
    look = _look(shown)
    tokens, layers = shown[0].ds.sizes["token"], shown[0].ds.sizes.get("layer", 0)
    pair = looking.pair([run.id for run in shown])
    missed = link.left_out(asked, look, pair, tokens, theme.SIGNALS) + [f"run={run[:40]}" for run in address.not_runs()]
    if missed:
        said = f"Left out of this link, as it is not possible here: {', '.join(missed)}."
        has = f"The text has {tokens:,} tokens" + (f", the memory {layers} layers." if layers else ".")
        st.info(state.plain(f"{said} {has}"))
    if look.token is None:
        looking.select(_highest_word(_first(shown, look), look))


def _highest_word(run: Run, look: Look) -> int:
    ds = run.ds
    values = inside_segments(traced.column(run.id, look.signal, look.layer), aggregate.segment(ds))
    spans = ds["start"].values, ds["end"].values
    return opening.highest_word(values, *spans, str(ds.attrs["text"]), skip=aggregate.settling(ds))


def _look(shown: list[Run]) -> Look:
    traces = [run.ds for run in shown]
    names = [name for name in theme.SIGNALS if any(name in ds.data_vars for ds in traces)]
    return looking.look(names, traces[0].sizes.get("layer", 0), traces[0].sizes["token"])


def _first(shown: list[Run], look: Look) -> Run:
    return next(run for run in shown if look.signal in run.ds)


def _damaged(error: StoreError) -> None:
    st.error(f"A part of the stored run cannot be read: {state.plain(bare(error))}. Run the text again.")


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
def _figures(shown: list[Run], comparing: bool = False) -> None:
    look = _look(shown)
    try:
        panels.through_time(shown, look, looking.pair([run.id for run in shown]) if comparing else None)
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


@st.fragment(key="worth")
def _worth(shown: list[Run]) -> None:
    try:
        worth_panel(shown, _look(shown))
    except StoreError as error:
        _damaged(error)


@st.fragment(key="difference")
def _difference(shown: list[Run]) -> None:
    try:
        contrast.difference(shown, _look(shown))
    except StoreError as error:
        _damaged(error)


@st.fragment(key="states")
def _states(shown: list[Run]) -> None:
    contrast.states(shown)


@st.fragment(key="side")
def _apart(shown: list[Run]) -> None:
    try:
        contrast.apart(shown, _look(shown))
    except StoreError as error:
        _damaged(error)
