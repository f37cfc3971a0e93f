"""Runs: the library of this person, and what can be done with each run in it."""

from __future__ import annotations

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from app import library, runs, state, theme
from app.jobs import damaged, store
from app.library import Row
from app.state import uploads
from app.views import library_row, parts
from app.views.upload import UPLOAD_MB
from app.words import words
from titans_core.errors import StoreError

MORE = 20  # runs that are listed at once
SHOWN = "listed runs"


def page(exploring: StreamlitPage) -> None:
    """Finished runs, newest first, and those that are going. exploring: the page on which one is opened."""
    st.title("Runs", anchor=False)
    count = st.session_state.get(SHOWN, MORE)
    held = library.held(count)
    days = round(store.MAX_AGE / 86_400)
    bounds = words("library_bounds").format(days=days, bytes=theme.size(store.MAX_BYTES))
    st.markdown(f":small[{words('library')}]", help=bounds)
    with st.container(horizontal=True, vertical_alignment="center", key="library_top"):
        st.markdown(f"**{_counted(held.finished)}**")
        _import()
    if held.gone:
        went = "One run of this list has" if held.gone == 1 else f"{held.gone:,} runs of this list have"
        st.caption(f"{went} expired.")
    for note in held.damaged:
        _damaged(note)
    if held.going:
        _going([run for run, _ in held.going], exploring)
    if not held.finished and not held.going:
        st.info(words("library_empty"))
    for row in held.finished[:count]:
        library_row.draw(row, exploring)
    if len(held.finished) > count:
        st.button("Show more", key="show_more", on_click=_show_more, args=(count,))


def _counted(rows: list[Row]) -> str:
    size = theme.size(sum(row.bytes for row in rows)) if rows else "nothing"
    return f"{len(rows):,} finished run{'s' * (len(rows) != 1)}" + f", {size}" * bool(rows)


def _show_more(count: int) -> None:
    st.session_state[SHOWN] = count + MORE


def _import() -> None:
    with st.popover("Import", icon=":material/upload:", key="import"):
        st.caption(words("library_import"))
        turn = st.session_state.setdefault("imports", 0)
        file = st.file_uploader("Run file: zip", key=f"import_{turn}", max_upload_size=UPLOAD_MB)
        if file is None:
            return
        try:
            data = uploads.data(file)
            if not st.button("Import this run", type="primary", key="import_run"):
                return
            with st.spinner("Checking the file"):
                library.bring(data, file.name)
        except StoreError as error:
            st.error(state.plain(f"{error}."))  # it begins with the name of the file
            return
        st.session_state["imports"] = turn + 1  # an empty uploader
        st.toast("The run was imported; it is the first of the list.")
        st.rerun()


def _damaged(note: damaged.SetAside) -> None:
    named = f"“{note.title}”" if note.title else f"The run {note.run[:6]}…"
    with st.container(horizontal=True, vertical_alignment="center", key=f"damaged_{note.run}"):
        st.warning(
            state.plain(f"{named} is damaged and was set aside: {note.reason}. Run its text again."), width="stretch"
        )
        if st.button("Take off the list", key=f"off_{note.run}"):
            library.mine().forget(note.run)
            st.rerun()


@st.fragment(run_every=1.0)
def _going(ids: list[str], exploring: StreamlitPage) -> None:
    """Runs that wait or go; the page is drawn anew when one of them ends."""
    going = [(run, at) for run in ids if (at := runs.progress(run)) is not None and at.live]
    if len(going) < len(ids):
        st.rerun()
    with st.container(border=True, key="panel_going"):
        for run, at in going:
            title = state.plain(at.title or "Untitled text")
            st.page_link(exploring, label=title, query_params={"run": [run]})
            st.progress(at.done / at.total if at.total else 0.0, text=parts.progress_words(at))
