"""What panels are made of: a title with a note, and the table behind a figure."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import streamlit as st

from app import state


def title(title: str, note: str) -> None:
    st.markdown(f"**{title}**" + (f" :small[:gray[{state.plain(note)}]]" if note else ""))


def table(key: str, rows: Callable[[], tuple[str, pd.DataFrame]]) -> None:
    """The numbers behind a figure, built only when opened."""
    box = st.expander("Table", key=f"table_{key}", on_change="rerun")
    if box.open:
        note, listed = rows()
        with box:
            st.caption(note)
            st.dataframe(listed, hide_index=True, height=260)
