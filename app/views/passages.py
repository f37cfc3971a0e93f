"""Passages that stand out, in context: of the highest signal, of most forgetting, or whose writes last."""

from __future__ import annotations

import streamlit as st

from app import runs, state, theme
from app.components import cards
from app.figures import aggregate
from app.runs import Run
from app.views import parts
from titans_core import passages
from titans_core.errors import ConfigError
from titans_core.lineage import recorded

TITLES = {
    "surprise": "Most surprising passages",
    "forgotten": "Where most is forgotten",
    runs.LASTING: "Passages whose writes last",
}


def passage_panel(run: Run, look: state.Look) -> None:
    """The passages of the highest signal, of most forgetting, or whose writes last: one kind at a time."""
    kinds = {look.signal: theme.SIGNALS[look.signal].label, "forgotten": "Forgetting"}
    if recorded(run.ds):
        kinds[runs.LASTING] = "Lasting"
    kinds = {kind: label for kind, label in kinds.items() if kind == runs.LASTING or kind in run.ds}
    with st.container(border=True, key="panel_passages"):
        head = st.container()
        kind: str = look.signal
        if len(kinds) > 1:
            kind = st.segmented_control(
                "Passages",
                list(kinds),
                default=look.signal,
                required=True,
                format_func=kinds.__getitem__,
                key=f"passages of {look.signal}",
                label_visibility="collapsed",
            )
        with head:
            parts.title(TITLES.get(kind, f"Passages of highest {kinds[kind].lower()}"), _passage_note(run, kind))
        try:
            listed = runs.found(run.id, kind, look.layer)
        except ConfigError as error:
            st.caption(state.plain(str(error)))
            return
        if not listed:
            st.caption("None stands out: it is zero all along the text.")
        cards.passage_list("passages", listed, parts.then_draw(state.follow("passages", "token"), "text", "side"))


def _passage_note(run: Run, kind: str) -> str:
    skip = aggregate.settling(run.ds)
    start = f", the first {skip} left out: to an empty memory all is new" if skip else ""
    if run.ds.attrs["variant"] == "mac":
        start += "; without the first token of each segment, where attention starts afresh"
    what = (
        "what is left of a token's write at the end of the text" if kind == runs.LASTING else theme.SIGNALS[kind].symbol
    )
    return f"{run.name}, mean {what} over {passages.SPAN} tokens{start}"
