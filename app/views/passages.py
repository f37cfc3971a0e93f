"""Passages that stand out, in context: of the highest signal, of most forgetting, or whose writes last."""

from __future__ import annotations

import streamlit as st

from app import state, theme
from app.bare import bare
from app.components import cards
from app.figures import aggregate
from app.link import Look
from app.runs import Run, traced
from app.state import looking
from app.views import parts
from titans_core import passages
from titans_core.errors import ConfigError
from titans_core.lineage import recorded

TITLES = {
    "surprise": "Most surprising passages",
    "forgotten": "Where most is forgotten",
    traced.LASTING: "Passages whose writes last",
}


def passage_panel(run: Run, look: Look) -> None:
    """The passages of the highest signal, of most forgetting, or whose writes last: one kind at a time."""
    kinds = {look.signal: theme.SIGNALS[look.signal].label, "forgotten": "Forgetting"}
    if recorded(run.ds):
        kinds[traced.LASTING] = "Lasting"
    kinds = {kind: label for kind, label in kinds.items() if kind == traced.LASTING or kind in run.ds}
    with st.container(border=True, key="panel_passages"):
        head = st.container()
        if parts.no_passage(run.ds.sizes["token"]):
            head.markdown("**Passages**")
            return
        kind: str = look.kind if look.kind in kinds else look.signal
        if len(kinds) > 1:
            kind = _chosen(kinds, kind, f"passages of {look.signal}, {looking.arrivals()}")
        with head:
            title = TITLES.get(kind, f"Passages of highest {kinds[kind].lower()}")
            parts.title(title, f"{run.name}, mean {_measure(kind)}", _choice(run))
        try:
            listed = traced.found(run.id, kind, look.layer)
        except ConfigError as error:
            st.caption(state.plain(bare(error)))
            return
        if not listed:
            st.caption("None stands out: it is zero all along the text.")
        picked = parts.then_draw(looking.follow("passages", "token"), "text", "side")
        cards.passage_list("passages", listed, run.stood, picked)


def _chosen(kinds: dict[str, str], first: str, key: str) -> str:
    choose = parts.then_link(lambda: looking.choose("kind", st.session_state[key]), "side")
    chosen: str = st.segmented_control(
        "Passages",
        list(kinds),
        default=first,
        required=True,
        format_func=kinds.__getitem__,
        key=key,
        on_change=choose,
        label_visibility="collapsed",
    )
    return chosen


def _measure(kind: str) -> str:
    what = "what is left of a token's write at the end" if kind == traced.LASTING else theme.SIGNALS[kind].symbol
    return f"{what} over {passages.SPAN} tokens"


def _choice(run: Run) -> str:
    """Which passages are left out, and why."""
    said = ["Of passages in mostly the same words, the highest is shown."]
    if skip := aggregate.settling(run.ds):
        empty = "memory" in run.ds and "memory_from" not in run.ds.attrs
        why = "to an empty memory all is new" if empty else "little stands before them"
        said.append(f"The first {skip} tokens are left out: {why}.")
    if run.ds.attrs["variant"] == "mac":
        said.append("So is the first token of each segment, where attention starts afresh.")
    return " ".join(said)
