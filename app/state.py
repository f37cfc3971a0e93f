"""What a session has chosen: the only place of session state and query parameters.

The ids of the shown runs live in the address (?run=...&run=...), so that a refresh finds them again. What is looked
at (signal, layer, token) lives in the session.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import streamlit as st

from app.components import text_heatmap
from app.jobs import store
from app.theme import DARK, LIGHT, SIGNALS, Palette


@dataclass(frozen=True)
class Request:
    """What the sidebar asks for. problem: why it cannot be run, in words; notices: what to know before."""

    title: str
    text: str
    checkpoints: tuple[str, ...]
    device: str = "cpu"
    problem: str = ""
    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Look:
    """What is looked at. layer None: all layers. nonce changes when the server, not the browser, moved the token."""

    signal: str
    layer: int | None
    token: int | None
    nonce: int


def run_ids() -> tuple[str, ...]:
    """The runs that the address names, without anything that is not an id."""
    return tuple(dict.fromkeys(run for run in st.query_params.get_all("run") if store.is_id(run)))[:8]


def wrong_address() -> bool:
    """Whether the address names runs, but none that could exist."""
    return "run" in st.query_params and not run_ids()


def show(runs: list[str]) -> None:
    """Make these the shown runs."""
    st.query_params["run"] = runs


def look(available: list[str], layers: int, tokens: int) -> Look:
    """The chosen signal, layer and token, held to what the shown runs have."""
    signal = st.session_state.get("signal", "surprise")
    token = st.session_state.get("token")
    return Look(
        signal if signal in available else (available[0] if available else "surprise"),
        layer(layers),
        token if token is not None and token < tokens else None,
        st.session_state.get("nonce", 0),
    )


def layer(layers: int) -> int | None:
    """The chosen layer, held to how many the shown runs have; None for all."""
    chosen: int | None = st.session_state.get("layer")
    return chosen if chosen is not None and chosen < layers else None


def begin_at(runs: list[str], token: int) -> bool:
    """Select `token` when these runs are drawn for the first time in this session; whether they are."""
    new = st.session_state.get("drawn") != runs
    if new:
        st.session_state["drawn"] = runs
        select(token)
    return new


def follow(name: str) -> Callable[[], None]:
    """A callback that takes over what the browser chose in the text heatmap: "signal", "layer", "token" or "theme"."""

    def take() -> None:
        value = st.session_state[text_heatmap.KEY][name]
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


def pick(key: str) -> Callable[[], None]:
    """A callback that selects the token chosen in component `key` and lets the text follow."""

    def take() -> None:
        value = st.session_state[key]["token"]
        if isinstance(value, list) and value and isinstance(value[0], int):
            select(value[0])

    return take


def select(token: int | None) -> None:
    st.session_state["token"] = token
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
