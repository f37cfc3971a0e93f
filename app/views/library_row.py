"""One run of the library: what it is, and what can be done with it."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from app import library, state, theme
from app.bare import sentence
from app.jobs.labels import LONGEST
from app.library import Row
from titans_core.errors import StoreError

HASH = 8  # characters of a hash that are shown at first
ASKED = "asked whether to delete"  # the run
NOT_OWN = "Opened by its link: only the browser that made this run can rename, pin or delete it. Export it to keep it."


def draw(row: Row, exploring: StreamlitPage) -> None:
    """Draw it. exploring: the page on which the run is opened."""
    with st.container(border=True, key=f"panel_run_{row.run}"):
        head, acts = st.columns([5, 2], vertical_alignment="center", gap="small")
        with head:
            label = state.plain(row.title or "Untitled text")
            st.page_link(exploring, label=f"**{label}**", query_params={"run": [row.run]})
            if row.begins:
                st.markdown(f":small[{state.plain(row.begins)}]")
            st.caption(state.plain(facts(row)))
        with acts, st.container(horizontal=True, horizontal_alignment="right", gap="small"):
            if row.own:
                icon = ":material/keep_off:" if row.pinned else ":material/keep:"
                if st.button("Unpin" if row.pinned else "Pin", icon=icon, key=f"pin_{row.run}", type="tertiary"):
                    _try(lambda: library.mine().pin(row.run, not row.pinned))
            box = st.popover("More", key=f"more_{row.run}", on_change="rerun", type="tertiary")
        if box.open:
            with box:
                _more(row)


def facts(row: Row) -> str:
    """One line: variant, tokens, size, age, hash, and whether it is pinned or another's."""
    told = [row.name, theme.count(row.tokens), theme.size(row.bytes), theme.ago(row.age)]
    told.append(f"text {row.hash[:HASH]}…" if row.hash else "")
    told += ["pinned"] * row.pinned + ["by link"] * (not row.own)
    return " · ".join(part for part in told if part)


def _more(row: Row) -> None:
    st.caption("SHA-256 of its text")
    st.code(row.hash or "not known", language=None, wrap_lines=True)
    address = f"titanscope/export/run?{urlencode({'run': row.run})}"
    st.link_button("Export", address, icon=":material/download:", width="stretch")
    st.caption("One .zip with its trace and its memory, to keep, to send and to import here or elsewhere.")
    if not row.own:
        st.caption(NOT_OWN)
        if st.button("Take off the list", key=f"off_{row.run}", width="stretch"):
            library.mine().forget(row.run)
            st.rerun()
        return
    with st.form(f"name_{row.run}", border=False):
        title = st.text_input("Name", row.title, max_chars=LONGEST, key=f"title_{row.run}")
        if st.form_submit_button("Rename", width="stretch"):
            _try(lambda: library.rename(row.run, title))
    _delete(row)


def _delete(row: Row) -> None:
    """Delete, which asks once more."""
    if st.session_state.get(ASKED) != row.run:
        if st.button("Delete", icon=":material/delete:", key=f"delete_{row.run}", width="stretch"):
            st.session_state[ASKED] = row.run
            st.rerun()
        return
    st.write("Delete it? It goes from this server for everybody who has its link, and cannot be brought back.")
    with st.container(horizontal=True):
        if st.button("Delete it", type="primary", key=f"delete_now_{row.run}"):
            _try(lambda: library.delete(row.run))
        if st.button("Keep it", key=f"keep_{row.run}"):
            del st.session_state[ASKED]
            st.rerun()


def _try(act: Callable[[], object]) -> None:
    """Do what was asked and draw the page anew, or say why it cannot be done."""
    try:
        act()
    except (StoreError, OSError) as error:
        said = sentence(error) if isinstance(error, StoreError) else "The disk did not take the change."
        st.error(state.plain(said))
        return
    st.rerun()
