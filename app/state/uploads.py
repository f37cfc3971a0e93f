"""Uploaded files of a session: how much may be held, and what no page shows any more, which is let go of.

Streamlit holds every file until its session ends (app.serving.uploads bounds that). A control that is not drawn forgets
its files, so nobody can come back to them.
"""

from __future__ import annotations

import streamlit as st
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile

from titans_core.documents import shown_name
from titans_core.errors import StoreError

SESSION_MB, ALL_MB = 200, 1_000  # of one session, and of all on this server
REFUSED = "application/x-titanscope-refused; over="  # the type of what came, and was not kept, of a file
_OVER = {
    "session": f"the files of one visit may have {SESSION_MB} MB together; remove others, then choose it again",
    "server": f"this server holds {ALL_MB:,} MB of uploaded files, the most that it takes; choose it again later",
}


def begin() -> None:
    """The page is drawn anew."""
    st.session_state["uploads drawn"] = set()


def data(file: UploadedFile) -> bytes:
    """The bytes of a file that is drawn, which stays with the session. Raises StoreError where it was not kept."""
    st.session_state.setdefault("uploads drawn", set()).add(file.file_id)
    if file.type.startswith(REFUSED):
        over = _OVER.get(file.type.removeprefix(REFUSED), _OVER["session"])
        raise StoreError(f"{shown_name(file.name)} was not taken: {over}")
    return file.getvalue()


def let_go() -> None:
    """The page is drawn: what it showed before, and does not show now, is held no longer."""
    run, drawn = get_script_run_ctx(), st.session_state["uploads drawn"]
    if run is not None and isinstance(run.uploaded_file_mgr, MemoryUploadedFileManager):
        for gone in st.session_state.get("uploads held", set()) - drawn:
            run.uploaded_file_mgr.remove_file(run.session_id, gone)
    st.session_state["uploads held"] = drawn
