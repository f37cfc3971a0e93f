"""What a session has chosen: the only place of session state and query parameters.

The ids of the shown runs live in the address (?run=...&run=...), so that a refresh finds them again. What is looked
at (signal, layer, token, span, range) lives in the session; the address follows it (app.link), and is read when a text
is first shown.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import streamlit as st

from app import link
from app.components import text_heatmap, zoom
from app.jobs import store
from app.link import HOW, Look, Span
from app.theme import DARK, LIGHT, SIGNALS, Palette

MAP_CONTROL = "map_how"


@dataclass(frozen=True)
class Request:
    """What the sidebar asks for. problem: why it cannot be run, in words; notices: what to know before."""

    title: str
    text: str
    checkpoints: tuple[str, ...]
    device: str = "cpu"
    problem: str = ""
    notices: tuple[str, ...] = ()


def reported_theme() -> str | None:
    """The theme that the browser reported; Streamlit's own may be newer than what is drawn."""
    theme: str | None = st.session_state.get("theme")
    return theme


def run_ids() -> tuple[str, ...]:
    """The runs that the address names, without anything that is not an id."""
    return tuple(dict.fromkeys(run for run in st.query_params.get_all("run") if store.is_id(run)))[:8]


def wrong_address() -> bool:
    """Whether the address names runs, but none that could exist."""
    return "run" in st.query_params and not run_ids()


def show(runs: list[str]) -> None:
    """Make these the shown runs. What the address says of places in a text may be of another one."""
    for name in ("token", "span", "range"):
        st.query_params.pop(name, None)
    st.query_params["run"] = runs


def look(available: list[str], layers: int, tokens: int) -> Look:
    """What is looked at, held to what the shown runs have."""
    signal = st.session_state.get("signal", "surprise")
    token = st.session_state.get("token")
    return Look(
        signal if signal in available else (available[0] if available else "surprise"),
        layer(layers),
        token if token is not None and token < tokens else None,
        st.session_state.get("nonce", 0),
        _within("span", tokens),
        _within("range", tokens),
        st.session_state.get("map") or HOW[0],
    )


def _within(name: str, tokens: int) -> Span | None:
    """The chosen tokens from..to; None for none, for such as the text lacks, and for a span of all."""
    chosen: Span | None = st.session_state.get(name)
    if chosen is None or not 0 <= chosen[0] < chosen[1] <= tokens or (name == "span" and chosen == (0, tokens)):
        return None
    return chosen


def layer(layers: int) -> int | None:
    """The chosen layer, held to how many the shown runs have; None for all."""
    chosen: int | None = st.session_state.get("layer")
    return chosen if chosen is not None and chosen < layers else None


def arrive(text: str) -> bool:
    """When another text (its hash) is drawn than before, look at it as the address says; whether that is so."""
    new = st.session_state.get("drawn") != text
    if new:
        st.session_state["drawn"] = text
        for name in ("token", "span", "range"):
            st.session_state.pop(name, None)
        st.session_state.update(link.read(st.query_params.to_dict(), SIGNALS))
        follow_text()
    return new


def follow(name: str) -> Callable[[], None]:
    """A callback that takes over what the browser chose in the text heatmap.

    name: "signal", "layer", "token", "range" or "theme".
    """

    def take() -> None:
        value = st.session_state[text_heatmap.KEY][name]
        if name == "range":
            st.session_state["range"] = link.ends(value)
            return
        if isinstance(value, list):  # with the time of the choice, so that the same choice again is news
            value = value[0]
        if name == "signal":
            valid = value in SIGNALS
        elif name == "theme":
            valid = value in ("light", "dark")
        else:
            value = value if isinstance(value, int) and value >= 0 else None
            valid = True
        if valid:
            st.session_state[name] = value

    return take


def zoomed() -> None:
    """Takes over the zoom of a figure."""
    show_span(link.ends(st.session_state[zoom.KEY]["zoom"]))


def took_how() -> None:
    """Takes over what the layer map is to show of a bin. Kept apart from the control, which is not always there."""
    st.session_state["map"] = st.session_state[MAP_CONTROL]


def show_span(span: Span | None) -> None:
    """Figures show these tokens, and the text goes there: to the selected token if it is one of them."""
    st.session_state["span"] = span
    token = st.session_state.get("token")
    if span is not None and (token is None or not span[0] <= token < span[1]):
        select(span[0])


def pick(key: str) -> Callable[[], None]:
    """A callback that selects the token chosen in component `key` and lets the text follow."""

    def take() -> None:
        value = st.session_state[key]["token"]
        if isinstance(value, list) and value and isinstance(value[0], int):
            select(value[0])

    return take


def pick_bar(key: str) -> Callable[[], None]:
    """A callback that selects the token of the bar that was clicked in the figure `key`: customdata begins with it."""

    def take() -> None:
        points = st.session_state[key]["selection"]["points"]
        if points:
            select(int(points[0]["customdata"][0]))

    return take


def select(token: int | None) -> None:
    st.session_state["token"] = token
    follow_text()


def follow_text() -> None:
    """Let the text take the selected token from the session."""
    st.session_state["nonce"] = st.session_state.get("nonce", 0) + 1


def first_visit() -> bool:
    """True once per session."""
    seen: bool = st.session_state.get("seen", False)
    st.session_state["seen"] = True
    return not seen


def palette() -> Palette:
    """The colours of the theme this browser shows."""
    known: Any = st.context.theme
    # The text heatmap reports a switch of theme sooner than Streamlit does.
    return DARK if st.session_state.get("theme", known.type) == "dark" else LIGHT


_MARKS = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:&])")


def plain(text: str) -> str:
    """User text for places that read Markdown: every mark is escaped, so it shows as it was written."""
    return _MARKS.sub(r"\\\1", text)
