"""What the sidebar asks for: it is kept while another page is shown, and follows the page until somebody chooses."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import streamlit as st


def begin(name: str, value: Any) -> Any:
    """The control `name` is drawn next, with `value` at first; what it says. Streamlit forgets one that was not drawn.

    Give the control what this returns as its default: where a run is broken off by a click, the browser never hears of
    a value that was only set in the session, shows an empty control and sends that back.
    """
    if name not in st.session_state:
        st.session_state[name] = _kept().get(name, value)
    return st.session_state[name]


def chose(name: str) -> None:
    """Somebody chose in the control `name`: from now on the sidebar is theirs."""
    st.session_state["chosen"] = True
    keep(name)


def keep(name: str) -> None:
    """Somebody chose in the control `name`, which is not in the sidebar."""
    _kept()[name] = st.session_state[name]


def value(name: str, first: Any) -> Any:
    """What the control `name` says, drawn or not; `first` where nobody chose."""
    return st.session_state.get(name, _kept().get(name, first))


def put(name: str, value: Any) -> None:
    """Put a value into a control that is drawn next, as a choice that follows from another one."""
    st.session_state[name] = value
    chose(name)


def follow(what: Hashable, values: Mapping[str, Any]) -> None:
    """Ask for these values, by the names of controls not drawn yet; once for each `what`, while nobody chose."""
    if st.session_state.get("chosen") or st.session_state.get("followed") == what:
        return
    st.session_state["followed"] = what
    for name, value in values.items():
        _kept()[name] = st.session_state[name] = value


def _kept() -> dict[str, Any]:
    kept: dict[str, Any] = st.session_state.setdefault("kept", {})
    return kept
