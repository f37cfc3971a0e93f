"""The panels of a result: each draws one figure with its title, its note and the table behind it."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from app import drawn, foreign, naming, opening, state
from app.bare import bare
from app.components import cards, figures, text_heatmap
from app.figures import fate, layers, lineage, order_of_events, tables, token
from app.link import Look, Pair
from app.runs import Run, traced
from app.state import address, looking
from app.views import parts
from app.words import words
from titans_core.errors import ConfigError
from titans_core.lineage import Fate, Lineage, recorded

LINEAGE = "Lineage and fate need the gates of each head, which this run was stored without"


def text(shown: list[Run], look: Look) -> None:
    with st.container(border=True, key="panel_text"):
        text_heatmap.text_heatmap(
            [(run.id, run.ds) for run in shown],
            look,
            dark=state.palette().dark,
            arrivals=looking.arrivals(),
            on_change=_text_changed,
        )
        parts.table("text", lambda: tables.tokens([run.ds for run in shown], look.signal, look.layer, look.token))


def _text_changed(name: str) -> Callable[[], None]:
    follow = looking.follow(text_heatmap.KEY, name)
    if name == "find":
        return parts.then_link(follow)
    return parts.then_draw(follow, *("side",) * (name == "token"))


def through_time(shown: list[Run], look: Look, pair: Pair | None = None) -> None:
    address.said(look.address | (pair.address(len(shown)) if pair else {}))
    with st.container(border=True, key="panel_time"):
        if shown[0].ds.sizes["token"] == 1:
            parts.title("Through time", "")
            st.caption("The text has 1 token, so there is no course to draw; its signals are listed beside it.")
            opening.drawn(shown[0].id, "timelines")
            return
        _linked(figures.TIMELINES, shown, look, pair)
        parts.table("timelines", lambda: tables.timelines([run.ds for run in shown], look.layer, look.span))


def layer_map(shown: list[Run], look: Look) -> None:
    if shown[0].ds.sizes["token"] == 1:
        return
    with st.container(border=True, key="panel_layers"):
        _linked(figures.LAYER_MAP, shown, look)
        having = layers.layered([run.ds for run in shown], look.signal)
        if having:
            parts.table("layer_map", lambda: tables.layer_map(having, look.signal, look.span, look.how))


def _linked(key: str, shown: list[Run], look: Look, pair: Pair | None = None) -> None:
    figures.figure(
        key,
        [run.id for run in shown],
        shown[0].ds.sizes["token"],
        look,
        pair=pair,
        on_change=lambda name: parts.then_draw(looking.follow(key, name)),
    )


def order(shown: list[Run]) -> None:
    """Who reads and who writes, of the variants that are shown and have a memory."""
    variants = list(dict.fromkeys(str(run.ds.attrs["variant"]) for run in shown))
    drawn = order_of_events.drawing(variants)
    if drawn:
        with st.container(border=True, key="panel_order"):
            parts.title("Order of events", "in each layer, from left to right")
            st.html(drawn)
            st.caption(order_of_events.NOTE)


def one_token(shown: list[Run], look: Look) -> None:
    traces = [run.ds for run in shown]
    with st.container(border=True, key="panel_token"):
        if look.token is None:
            parts.title("One token", "")
            st.caption("Click a token in the text, or move to one with the arrow keys, to see all its signals.")
            return
        piece, total = str(traces[0]["piece"].values[look.token]), traces[0].sizes["token"]
        cards.token_card(
            piece,
            " · ".join(filter(None, (f"token {look.token + 1:,} of {total:,}", token.where(traces, look.layer)))),
            [name.label for name in naming.names(traces)],
            [traced.signals_at(run.id, look.token, look.layer) for run in shown],
            shown[0].stood(look.token),
        )
        moving = [run for run in shown if token.moving([run.ds])]
        if moving:
            _moves(moving, look.token, look.layer)
            _lineage_and_fate([run for run in shown if recorded(run.ds)], look, moving)


def _moves(shown: list[Run], at: int, layer: int | None) -> None:
    """What moved the memory at a token; where nothing did, that alone is said."""
    moving = [run.ds for run in shown]
    parts.title("What moved the memory here", token.where(moving, layer))
    about = tuple(run.id for run in shown), at, layer
    if nothing := drawn.words(("still", *about), lambda: token.still_words(moving, at, layer)):
        st.caption(state.plain(nothing))
    if all(traced.still(run.id, at, layer) for run in shown):
        return
    palette = state.palette()
    parts.chart(
        "moves",
        about,
        lambda: (token.moves(moving, at, palette, layer), token.summary(moving, at, layer)),
    )
    st.html(token.legend(state.palette()))
    st.markdown(words("moves"))
    st.caption(words("moves_note"))


def _lineage_and_fate(shown: list[Run], look: Look, moving: list[Run]) -> None:
    """Where the momentum at the token comes from, and what becomes of the token's write. shown: of `moving`."""
    if not shown or look.token is None:
        st.caption(LINEAGE + ("." if any(foreign.library(run.ds.attrs) for run in moving) else ": run the text again."))
        return
    traces, several = [run.ds for run in shown], len(shown) > 1
    try:
        found = [_lineage(run, look.token, look.layer, 4 if several else 8) for run in shown]
        fates = [_fate(run, look.token, look.layer) for run in shown]
    except ConfigError as error:  # the run diverged
        st.caption(state.plain(bare(error)))
        return
    names = [f"{run.name}: " if several else "" for run in shown]
    palette, about = state.palette(), (tuple(run.id for run in shown), look.token, look.layer)
    where = token.where(traces, look.layer)
    parts.title("Lineage: still pushing here", where)
    if any(map(lineage.shown, found)):
        picked = parts.then_draw(looking.pick_bar("lineage"), "text", "side")
        parts.chart(
            "lineage",
            about,
            lambda: (lineage.lineage(traces, found, palette), lineage.summary(traces, found)),
            on_select=picked,
        )
    st.caption("  \n".join(state.plain(name + lineage.words(one)) for name, one in zip(names, found, strict=True)))
    if any("memory_from" in run.ds.attrs for run in shown):
        st.caption("What a memory had in motion when it began is in none of these shares: it is of no token here.")
    parts.table("lineage", lambda: lineage.table(traces, found))
    parts.title("Fate: how much of this write is left", where)
    if any(len(one.tokens) > 1 for one in fates):
        parts.chart("fate", about, lambda: (fate.fate(traces, fates, palette), fate.summary(traces, fates)))
    st.caption("  \n".join(state.plain(name + fate.half_life(one)) for name, one in zip(names, fates, strict=True)))
    parts.table("fate", lambda: fate.table(traces, fates))


def _lineage(run: Run, at: int, layer: int | None, most: int) -> Lineage:
    """Shares of next to nothing are no lineage."""
    found = traced.lineage_of(run.id, at, layer, most)
    return lineage.none(found) if traced.still(run.id, at, layer, token.PUSHES) else found


def _fate(run: Run, at: int, layer: int | None) -> Fate:
    found = traced.fate_of(run.id, at, layer)
    return fate.none(found) if traced.still(run.id, at, layer, token.PUSHES[:1]) else found
