"""Take it away: what memories still knew, and the figures of the Recall page."""

from __future__ import annotations

from urllib.parse import urlencode

import streamlit as st

from app import memories, state, theme
from app.components.download import Row, download
from app.exports.names import recall_stem
from app.jobs import Subject


def export(name: str, subject: Subject) -> None:
    """A button that opens what can be saved of the subject `name`."""
    rows: list[Row] = [
        {
            "label": "Recall",
            "note": "every number, of all memories that were asked",
            "files": {
                form.upper(): f"titanscope/export/recall?{urlencode({'subject': name, 'as': form})}"
                for form in ("csv", "json")
            },
        }
    ]
    figures = {"recall_model": "What the model says"}
    figures |= {f"recall_memory_{memory}": f"The memory itself ({theme.label(memory)})" for memory in memories.names()}
    with st.popover("Export", icon=":material/download:", key="export"):
        download(rows, figures=figures, file=recall_stem(subject.title, name), ground=state.palette().panel, text=False)
