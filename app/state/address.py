"""The runs that a session shows, and the address that names them.

Their ids live in the address (?run=...&run=...), so that a refresh finds them again; beside them it says what is looked
at (app.state.looking).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import streamlit as st

from app.jobs import store

# What of that is of one text alone, and which runs are compared.
OF_TEXT = ("token", "span", "range", "match")
OF_PAIR = ("a", "b", "by", "pair of")
MOST_READ = 12  # runs of a session that are remembered


def run_ids() -> tuple[str, ...]:
    """The runs that the address names, without anything that is not an id."""
    return tuple(dict.fromkeys(run for run in st.query_params.get_all("run") if store.is_id(run)))[:8]


def query() -> dict[str, list[str]] | None:
    """The part of the address that names the runs, for links to their pages; None where there is none.

    Where the address of this page names none, it is that of the runs that were shown last.
    """
    ids = run_ids() or remembered()[0]
    return {"run": list(ids)} if ids else None


def wrong_address() -> bool:
    """Whether the address names runs, but none that could exist."""
    return "run" in st.query_params and not run_ids()


def not_runs() -> list[str]:
    """What the address names beside ids of runs."""
    return [run for run in st.query_params.get_all("run") if not store.is_id(run)]


def show(runs: list[str]) -> None:
    """Make these the shown runs. What the address says of places in a text may be of another one."""
    _address(runs, without=(*OF_TEXT, *OF_PAIR))
    st.session_state.pop("ended", None)


def add(run: str) -> None:
    """Show one more run of the same text; what is looked at stays."""
    keep([*run_ids(), run])


def keep(runs: list[str]) -> None:
    """Show only these of the shown runs."""
    _address(runs, without=("a", "b"))


def fall_back(runs: Sequence[str]) -> None:
    """The runs of the address came to nothing: it names these again, which the page shows, and what is looked at."""
    st.session_state["ended"] = run_ids()
    _address(runs)


def _address(runs: Sequence[str], without: Collection[str] = ()) -> None:
    """Write the address anew: at once, since each change of it is an entry in the browser's history."""
    said = {name: value for name, value in st.session_state.get("address", {}).items() if value and name not in without}
    st.session_state["addressed"] = tuple(runs)
    st.query_params.from_dict({"run": list(runs), **said})


def said(address: dict[str, str | None]) -> None:
    """This is what the browser is told to write into the address, beside the runs."""
    st.session_state["address"] = address


def ended() -> tuple[str, ...]:
    """The runs that came to nothing since the last one was begun: the page says why."""
    runs: tuple[str, ...] = st.session_state.get("ended", ())
    return runs


def remember(runs: list[str], text: str | None) -> None:
    """These finished runs, of the text of this hash, are what the page shows."""
    st.session_state["shown"] = tuple(runs), text
    st.session_state["read"] = tuple(dict.fromkeys([*runs, *was_read()]))[:MOST_READ]


def remembered() -> tuple[tuple[str, ...], str | None]:
    """What this session showed last: it stays while newer runs are going or where they ended badly."""
    shown: tuple[tuple[str, ...], str | None] = st.session_state.get("shown", ((), None))
    return shown


def was_read() -> tuple[str, ...]:
    """The finished runs that this session has shown, the latest first."""
    runs: tuple[str, ...] = st.session_state.get("read", ())
    return runs
