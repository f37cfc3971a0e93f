"""The memory at the end of a run, head by head, and those of two runs against each other."""

from __future__ import annotations

import streamlit as st

from app import comparisons, held, naming, state, theme
from app.bare import bare
from app.figures import memory_states
from app.runs import Run
from app.views import parts
from app.words import words
from titans_core.errors import ConfigError, StoreError


def at_the_end(run: Run) -> None:
    """What each head holds, and how far it is from what the run began with; nothing where no memory is kept."""
    name, before = held.at_end(run.id), held.at_start(run)
    if not name:
        return
    try:
        found = held.measures(name)
        moved = held.distance(name, before) if before else None
    except (ConfigError, StoreError) as error:
        st.caption(state.plain(f"The memory at the end cannot be read: {bare(error)}."))
        return
    from_where = f"M₀: as it was {naming.after(naming.began(run.ds))[0]}" if moved is not None else ""
    parts.title("Memory at the end, head by head", from_where, words("memory_end"))
    listed = memory_states.held(found, moved)
    st.dataframe(
        listed,
        column_config={name: st.column_config.NumberColumn(format="%.3g") for name in listed.columns[2:]},
        hide_index=True,
        placeholder="–",
        key=f"memory_end_{run.id}",
        height="content" if found.size.size <= 12 else 400,
    )
    st.caption("To read another text with it, choose it under Begin with in the sidebar; Export saves it as a file.")


def first_text(shown: list[Run]) -> None:
    """Of each run that began with a memory, beside the same from an empty one: what that did for the prediction."""
    fresh = {run.checkpoint: run for run in shown if not naming.began(run.ds)}
    for run in shown:
        base = fresh.get(run.checkpoint)
        if base is None or not (read := naming.began(run.ds)) or not _alike(run, base):
            continue
        saved, won, lost, count = comparisons.won(run.id, base.id)
        what = "saved" if saved >= 0 else "cost"
        st.markdown(
            f"{state.plain(theme.label(run.checkpoint))}: reading on {state.plain(naming.after(read)[0])} **{what} "
            f"{abs(saved):,.1f} bits** of prediction over {count:,} tokens against an empty memory: {won:,.1f} won, "
            f"{lost:,.1f} lost. Compare shows where."
        )


def _alike(run: Run, base: Run) -> bool:
    """Whether only their memories set two runs apart."""
    return all(run.ds.attrs.get(name) == base.ds.attrs.get(name) for name in ("settings", "weights_sha256"))


def two(one: Run, other: Run, names: dict[str, str]) -> None:
    """How alike the memories at the end of A and B are; nothing where one of them has none."""
    if not one.ds.sizes.get("layer") or not other.ds.sizes.get("layer"):
        return
    with st.container(border=True, key="panel_states"):
        parts.title("Their memories at the end", f"A: {names[one.id]}, B: {names[other.id]}", words("memory_pair"))
        a, b = held.at_end(one.id), held.at_end(other.id)
        if not a or not b:
            which = names[(other if a else one).id]
            st.caption(state.plain(f"Of {which} no memory is kept: it diverged, or was not run here."))
            return
        try:
            found = held.distance(a, b)
        except (ConfigError, StoreError) as error:
            st.caption(state.plain(_sentence(error)))
            return
        st.html(memory_states.grid(found, state.palette().variant(one.checkpoint)))
        st.caption(state.plain(memory_states.words(found, held.measures(a), held.measures(b))))
        st.caption(
            "Each cell: cosine, below it |A − B|. Cosine 1: both hold the same associations; 0: nothing in common."
        )


def _sentence(error: Exception) -> str:
    if isinstance(error, ConfigError):
        return "The two are of different models. A weight of one does not mean what it means in the other."
    return f"A memory cannot be read: {bare(error)}."
