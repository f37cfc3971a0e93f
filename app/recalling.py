"""Which document and fact the Recall page is about, as it stands in its address: /recall?subject=ID."""

from __future__ import annotations

import streamlit as st

from app.jobs import store

_SUBJECT = "subject"
_GRID = "grid"


def subject_id() -> str | None:
    """The subject that the address names; None where it names none that could exist."""
    name = st.query_params.get(_SUBJECT, "")
    if not store.is_id(name):
        return None
    st.session_state["asked about"] = name
    return name


def asked_about() -> tuple[str, ...]:
    """The subject that this session asked about last, if any."""
    name: str | None = subject_id() or st.session_state.get("asked about")
    return (name,) if name else ()


def wrong_address() -> bool:
    """Whether the address names a subject, but none that could exist."""
    return _SUBJECT in st.query_params and subject_id() is None


def show(name: str) -> None:
    """Make this what the page is about."""
    st.session_state["asked about"] = name
    st.query_params.from_dict(query() or {})


def query() -> dict[str, str] | None:
    """What a link to the page says: what it was about last in this session; None where it was about nothing."""
    name: str | None = st.session_state.get("asked about")
    of, grid = st.session_state.get("asked grid", (None, ""))
    return {_SUBJECT: name} | ({_GRID: grid} if of == name and grid else {}) if name else None


def grid() -> str:
    """Which needle grid the address names, as app.needles.address writes it; "" for none."""
    named = st.query_params.get(_GRID, "")
    if of := subject_id():
        st.session_state["asked grid"] = of, named
    return named


def new_grid() -> bool:
    """Whether the address names another needle grid of its subject than before, as after Back; once for each."""
    followed = st.session_state.setdefault("followed grids", {})
    of, named = subject_id(), grid()
    new = followed.get(of) != named
    followed[of] = named
    return new


def show_grid(address: str) -> None:
    """Let the address name this needle grid, so that whoever has the link sees its cells."""
    st.query_params[_GRID] = address
    new_grid()  # what the controls say already
