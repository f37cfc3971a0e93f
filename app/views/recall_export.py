"""Take it away: what memories still knew, and the figures of the Recall page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from app import memories, needles, state, theme
from app.components.download import Row, download
from app.exports import probed
from app.exports.names import recall_stem
from app.jobs import Subject
from app.views import grid_choices


def export(name: str, subject: Subject) -> None:
    """A button that opens what can be saved of the subject `name`."""
    both = ("csv", "json")
    rows = [_row("Recall", "every number, of all memories that were asked", "recall", both, subject=name)]
    if found := probed.retention(name):
        rows.append(_row("Retention", f"of {_names(found)}", "retention", ("json",), subject=name))
    address = needles.address(grid_choices.options(name))
    if found := probed.cells(name, address):
        rows.append(_row("Needle grid", f"cells of {_names(found)}", "grid", both, subject=name, grid=address))
    figures = {"recall_model": "What the model says"}
    figures |= {f"recall_memory_{memory}": f"The memory itself ({theme.label(memory)})" for memory in memories.names()}
    for figure, title in {"retention_map": "Retention map", "retention_curve": "Forgetting curve"}.items():
        figures |= {f"{figure}_{memory}": f"{title}, {theme.label(memory)}" for memory in memories.names()}
    with st.popover("Export", icon=":material/download:", key="export"):
        download(rows, figures=figures, file=recall_stem(subject.title, name), ground=state.palette().panel, text=False)


def _row(label: str, note: str, kind: str, forms: tuple[str, ...], **query: str) -> Row:
    files = {form.upper(): f"titanscope/export/{kind}?{urlencode({**query, 'as': form})}" for form in forms}
    return {"label": label, "note": note, "files": files}


def _names(found: Sequence[dict[str, Any]]) -> str:
    return ", ".join(dict.fromkeys(theme.label(one["checkpoint"]) for one in found))
