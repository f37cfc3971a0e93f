"""Compare: two to six runs of one text side by side, where they differ, and a new one with other physics."""

from __future__ import annotations

import streamlit as st

from app import comparisons, naming, state
from app.runs import Run
from app.state import address
from app.views import going, results
from app.views.physics import MOST, physics
from app.words import words


def page() -> None:
    """The runs of the address; in the sidebar which of them are shown, and the physics of one more."""
    ids = address.run_ids()
    with st.sidebar:
        side = st.container()
    opened = going.finished(ids[: MOST + 1])
    same = going.of_one_text(opened)
    if same and len(same) == len(opened):
        with side:
            _shown_runs(same)
            physics(same)
    wrong = problem(len(ids), opened, same)
    if not wrong:
        _compared(same)
        return
    if len(opened) != 1 or not ids:
        st.title("Compare", anchor=False)
    else:
        st.title(state.plain(opened[0].title or "Untitled text"), anchor=False)
    st.info(f"{going.NO_RUN} {wrong}" if address.wrong_address() else wrong)


def _compared(same: list[Run]) -> None:
    if len(comparisons.of_the_same_tokens(same)) == len(same):
        results.compared(same)
        return
    with st.spinner("Finding the pieces of the text that all runs share"):
        found = comparisons.on_pieces(same)
    st.info(words("pieces"))
    results.compared(found)


def problem(count: int, opened: list[Run], same: list[Run]) -> str:
    """Why these cannot be compared, in words; "" where they can. count: the runs that the address names."""
    if not count:
        return words("compare")
    if count > MOST:
        return f"Up to {MOST} runs can be compared; this address names {'at least ' * (count > 7)}{count}."
    if len(same) < len(opened):
        return "These runs are of different texts. Only runs of one text can be compared."
    if len(same) < 2:
        return words("compare_one")
    return ""


def _shown_runs(same: list[Run]) -> None:
    """The shown runs; one that is no longer chosen leaves the address."""
    st.caption("RUNS")
    names = {run.id: name.label for run, name in zip(same, naming.names([run.ds for run in same]), strict=True)}
    key = f"runs {' '.join(names)}"
    kept = st.pills(
        "Runs",
        list(names),
        selection_mode="multi",
        default=list(names),
        format_func=lambda run: state.plain(names[run]),
        key=key,
        label_visibility="collapsed",
    )
    if 0 < len(kept) < len(names):
        address.keep([run for run in address.run_ids() if run in kept or run not in names])
        st.rerun()
