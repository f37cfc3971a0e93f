"""The memory over time: how large it is, where it is in the space of its weights, and how many directions it uses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st
import xarray as xr

from app import drawn, foreign, naming, state
from app.bare import bare
from app.components import scrub
from app.figures import memory, memory_path, memory_words
from app.runs import Run
from app.state import looking
from app.theme import Palette
from app.views import memory_states, parts
from titans_core.errors import StoreError
from titans_core.moments import moments

PATH = "memory_path"
ABOUT = "Points are moments, pale to strong as the text goes on. Near points are memories that are alike."
MORE = (
    "The weights of all heads are compared; the two directions are those in which they differ most. The ring is the "
    "moment of the slider, which arrow keys move too; a click on a point goes to it and selects its token. Below, the "
    "singular values of each head at that moment, or at the last one before it at which they were taken."
)
EMPTY = "The memory starts empty, so its drift from the start is its size."


def memory_over_time(shown: list[Run]) -> None:
    """Of one of the shown runs: sizes and ranks of all layers, and the path and spectra of one."""
    with st.container(border=True, key="panel_memory"):
        _panel(shown)


@st.fragment(key=parts.MEMORY)
def _panel(shown: list[Run]) -> None:
    having = [run for run in shown if run.ds.sizes.get("layer")]
    if not having:
        parts.title("Memory over time", "no shown run has a memory")
        return
    try:
        _of_one(having)
    except StoreError as error:
        st.error(f"The memory over time cannot be read: {state.plain(bare(error))}. Run the text again.")


def _of_one(having: list[Run]) -> None:
    head = st.container()
    run = _chosen_run(having)
    found = moments(run.ds)
    with head:
        more = EMPTY if found is not None and memory.empty_start(found) else ""
        parts.title("Memory over time", run.name + (f", {memory.note(found)}" if found else ""), more)
    if found is None:
        why = "it diverged before its end" if naming.diverged(run.ds) else "run the text again"
        why = f"models of {foreign.library(run.ds.attrs)} do not tell it" if foreign.library(run.ds.attrs) else why
        st.caption(state.plain(f"This run was stored without its memory at moments in time: {why}."))
        return
    if found.sizes["moment"] <= 2:
        st.caption(state.plain(memory.ends(found)))
        memory_states.at_the_end(run)
        return
    palette = state.palette()
    colour = palette.variant(run.checkpoint)
    parts.chart("memory_time", (run.id,), lambda: (memory.over_time(found, palette, colour), memory.summary(found)))
    st.caption(state.plain(memory.key(found)))
    parts.table("memory_time", lambda: memory.table(found))
    parts.title("Its way through the space of weights, and its singular values", "", MORE)
    _path(run, found, palette)
    memory_states.at_the_end(run)


@st.fragment(key=parts.PATH)
def _path(run: Run, found: xr.Dataset, palette: Palette) -> None:
    """A fragment of its own: another layer, or its table, leaves the figure above as it is."""
    layer = _chosen_layer(found.sizes["layer"])
    colour = palette.variant(run.checkpoint)
    parts.chart(
        PATH,
        (run.id, layer),
        lambda: (memory_path.scrub(run.ds, found, layer, palette, colour), memory_words.summary(found, layer)),
        on_select=parts.then_draw(looking.pick_bar(PATH), "text", "side"),
        selection_mode="points",
    )
    scrub.scrub(
        PATH,
        name=f"Moment of layer {layer + 1}'s memory",
        moments=drawn.words(("moments", run.id), lambda: memory_words.names(found)),
        facts=drawn.words(("moments", run.id, layer), lambda: memory_words.facts(found, layer)),
    )
    st.caption(ABOUT)
    parts.table(PATH, lambda: memory_words.table(found, layer))


def _chosen_run(having: list[Run]) -> Run:
    if len(having) == 1:
        return having[0]
    runs = {run.id: run for run in having}
    names = {run.id: name.label for run, name in zip(having, naming.names([run.ds for run in having]), strict=True)}
    return runs[_control("Memory", names, having[0].id, f"memory_run_{hash(tuple(runs))}")]


def _chosen_layer(layers: int) -> int:
    """The layer of the path: the one that the page looks at, until another is chosen here."""
    names = {layer: f"Layer {layer + 1}" for layer in range(layers)}
    first = looking.layer(layers) or 0
    if layers == 1:
        return first
    key = f"memory_layer_{first}_{looking.arrivals()}"

    def choose() -> None:
        chosen = st.session_state[key]
        looking.choose("path", None if chosen == first else chosen)

    begin = looking.path(layers)
    chosen: int = _control("Layer of the path", names, first if begin is None else begin, key, choose)
    return chosen


def _control(
    name: str, names: Mapping[Any, str], default: Any, key: str, choose: Callable[[], None] | None = None
) -> Any:
    return st.segmented_control(
        name,
        list(names),
        format_func=names.__getitem__,
        default=default,
        required=True,
        key=key,
        on_change=parts.then_link(choose, parts.PATH) if choose else None,
        label_visibility="collapsed",
    )
