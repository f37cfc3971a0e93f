"""A cell of the needle grid: what was found there, its texts, and one of them as a run in Explore."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from app import needles, runs, state, theme
from app.bare import sentence
from app.figures import needle_grid as figures
from app.figures.needle_grid import Grid
from app.jobs import Busy, Job
from app.runs import costs, shared, subjects
from app.words import words
from titans_core.errors import TitansError

Picked = list[Any]  # checkpoint, length, depth


def pick(key: str, subject_id: str) -> None:
    """Take over which cell was picked in the component `key`."""
    report = st.session_state[key]["cell"]
    if isinstance(report, list) and len(report) == 4:
        st.session_state[f"grid_cell_{subject_id}"] = report[:3]


def picked(subject_id: str, options: dict[str, Any], grids: Sequence[Grid]) -> Picked | None:
    """The cell whose details are shown, where it is one of these."""
    of: Picked | None = st.session_state.get(f"grid_cell_{subject_id}")
    if of is None or of[1] not in options["lengths"] or of[2] not in options["depths"]:
        return None
    return of if any(grid.checkpoint == of[0] for grid in grids) else None


def details(subject_id: str, options: dict[str, Any], of: Picked, grids: Sequence[Grid], device: str) -> None:
    """What was found in the cell; any of its texts can be opened, a right or a wrong one."""
    checkpoint, length, depth = of
    grid = next(grid for grid in grids if grid.checkpoint == checkpoint)
    found = grid.at(length, depth)
    place = figures.place(length, depth)
    if found is None:
        st.caption(state.plain(f"{grid.name} at {place} is not run."))
        return
    st.markdown(f":small[**{state.plain(f'{grid.name} at {place}')}** {state.plain(figures.result(found))}]")
    texts = found["texts"]
    first_wrong = next((i for i, text in enumerate(texts) if text["kind"] != needles.RIGHT), 0)
    i = st.selectbox(
        "Text",
        range(len(texts)),
        index=first_wrong,
        format_func=lambda i: figures.text_line(i, texts[i]),
        key=f"grid_text_{checkpoint}_{length}_{depth}",
    )
    st.caption(state.plain(f"Hidden: “{texts[i]['needle']}”"))
    _open(subject_id, options, of, i, device)


def _open(subject_id: str, options: dict[str, Any], of: Picked, i: int, device: str) -> None:
    """A button that has the text read for Explore; once that was begun, a link there in its place."""
    checkpoint, length, depth = of
    asked = (subject_id, options["task"], options["haystack"], options["seed"], length, depth, i)
    key = f"needle {checkpoint} {device} {asked}"
    run = shared.known(key)
    at = runs.progress(run) if run else None
    if at is not None and at.failed:
        st.error(state.plain(sentence(at.message)))
    begun = at is not None and (at.live or at.state == "done")
    box = st.empty()
    cost = costs.cost(length, (checkpoint,), device)
    label = f"Read it for Explore: takes {theme.about(cost.seconds)} and {theme.size(cost.bytes)}"
    if not begun and not box.button(label, key="grid_open", help=words("needle_open")):
        return
    try:
        laid = subjects.needle_text(*asked)
    except TitansError as error:
        st.error(state.plain(sentence(error)))
        return
    title = f"Needle: {options['task']} at {figures.place(length, depth)}, text {i + 1}"
    try:
        run = run if begun else shared.begin(key, Job(checkpoint, laid.text, title, device), state.person())
    except Busy as error:
        st.error(state.plain(str(error)))
        return
    look = {"run": run, "token": laid.answer + 1, "range": f"{laid.needle[0] + 1}-{laid.needle[1]}"}
    # In another tab: in this one cells go on coming in, and Back has nothing to undo.
    box.link_button("Open in Explore", f"./?{urlencode(look)}", help=words("needle_open"))
