"""The needle grid panel: chosen, begun by a button, filled in live by the worker, cancelled and resumed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from app import needles, recalling, runs, state, theme
from app.components.needle_grid import needle_grid
from app.figures import needle_grid as figures
from app.figures.needle_grid import Grid
from app.jobs import Probe, Subject
from app.probing import grid
from app.views import grid_cell, grid_choices, parts, probing
from app.words import words
from titans_core.errors import StoreError

KEY = "needle_grid"
THRESHOLDS = (0.5, 0.75, 0.85, 0.95)


@dataclass(frozen=True)
class Asked:
    """One grid of each memory. probes: in the order of the memories."""

    subject_id: str
    subject: Subject
    options: dict[str, Any]
    probes: list[Probe]

    @property
    def cells(self) -> int:
        return len(grid.asked(self.options))


def panel(subject_id: str, subject: Subject, checkpoints: tuple[str, ...], device: str) -> None:
    with st.container(border=True, key="panel_grid"):
        _panel(subject_id, subject, checkpoints, device)


@st.fragment
def _panel(subject_id: str, subject: Subject, checkpoints: tuple[str, ...], device: str) -> None:
    head, box = st.container(), st.expander("Needle, lengths, depths, n", key="grid_choices")
    with box:
        options = grid_choices.options(subject_id, subject)
    with head:
        parts.title("Needle grid", f"length × depth, n = {options['n']} a cell, grey = not run", words("needle_grid"))
    refused = grid.refusal(subject, "", options)
    if refused or not checkpoints:
        st.caption(state.plain(refused or "Choose one or more memories."))
        return
    given = tuple(sorted((name, tuple(v) if isinstance(v, list) else v) for name, v in options.items()))
    probes = [Probe("grid", subject_id, name, subject.title, given, device) for name in checkpoints]
    asked = Asked(subject_id, subject, options, probes)
    live = probing.standing(probes).live
    st.fragment(_grid, run_every=1.0 if live else None)(asked, bool(live))
    with st.expander("How to read this"):
        st.caption(words("needle_grid"))
        st.markdown(
            "\n".join(f"- {figures.GLYPHS.get(kind, '■')} {kind}: {said}" for kind, said in figures.MEANING.items())
        )


def _grid(asked: Asked, ticking: bool) -> None:
    """What there is so far, drawn again while cells come in; the page is drawn anew when the last probe ended."""
    at = probing.standing(asked.probes)
    if ticking and not at.live:
        st.rerun()
    lengths, depths = asked.options["lengths"], asked.options["depths"]
    grids, damaged = _read(asked, at)
    threshold = st.session_state.get(f"{KEY}_threshold", 0.85)
    picked = grid_cell.picked(KEY, grids)
    alt = figures.alt(grids, lengths, depths)
    drawn = figures.drawing(grids, lengths, depths, threshold, state.palette())
    needle_grid(KEY, drawn, alt, picked, lambda: None)
    st.html(figures.legend())
    line, choice = st.columns([0.68, 0.32], vertical_alignment="center")
    line.caption(state.plain(figures.sentence(grids, depths, threshold)))
    choice.selectbox(
        "Effective length at",
        THRESHOLDS,
        index=THRESHOLDS.index(0.85),
        format_func=lambda share: f"line at {share:.0%}",
        key=f"{KEY}_threshold",
        label_visibility="collapsed",
    )
    _standing(asked, at, grids)
    for probe in asked.probes:
        probing.problem(probe)
    for name, problem in damaged.items():
        st.warning(state.plain(f"{theme.label(name)}: {problem}."))
    if picked is not None:
        grid_cell.details(asked.subject_id, asked.subject, asked.options, picked, grids, asked.probes[0].device)
    parts.table(KEY, lambda: figures.table(grids))


def _read(asked: Asked, at: probing.Standing) -> tuple[list[Grid], dict[str, str]]:
    """The cells of each memory, and by its name why those kept cannot be shown."""
    grids, damaged = [], {}
    for probe in asked.probes:
        cells: list[needles.Cell] = []
        try:
            cells = grid.checked(at.done.get(probe.id) or at.partial.get(probe.id), asked.options)
        except StoreError as error:
            damaged[probe.checkpoint] = str(error)
        grids.append(Grid(probe.checkpoint, theme.label(probe.checkpoint), cells))
    return grids, damaged


def _standing(asked: Asked, at: probing.Standing, grids: Sequence[Grid]) -> None:
    """Cells done and time left, with Cancel; or a button that begins what is open, with what it costs."""
    total, done = asked.cells * len(grids), sum(len(one.cells) for one in grids)
    left = {one.checkpoint: _seconds_left(asked, probe, one) for one, probe in zip(grids, asked.probes, strict=True)}
    if at.live:
        seconds = sum(left[probe.checkpoint] for probe in at.live)
        words, button = st.columns([0.75, 0.25], vertical_alignment="center")
        words.progress(done / total, text=f"{done} of {total} cells · {theme.about(seconds)} left")
        if button.button("Cancel", key=f"{KEY}_cancel", width="stretch"):
            for probe in at.live:
                runs.engine().cancel(probe.id)
            st.rerun(scope="fragment")
    elif at.open:
        seconds = sum(left[probe.checkpoint] for probe in at.open)
        verb = f"Resume, {done} of {total} cells done" if done else f"Run {total} cells"
        st.button(
            f"{verb}: takes {theme.about(seconds)}", key=f"{KEY}_start", on_click=_begin, args=(asked, list(at.open))
        )


def _begin(asked: Asked, probes: list[Probe]) -> None:
    recalling.show_grid(needles.address(asked.options))
    probing.begin(probes)


def _seconds_left(asked: Asked, probe: Probe, filled: Grid) -> float:
    """For the cells that are not filled: at the speed of those that are, else of what this server measured."""
    n = asked.options["n"]
    read = n * sum(one["length"] for one in filled.cells)
    left = grid.tokens(0, asked.options) - read
    spent = sum(one["seconds"] for one in filled.cells)
    if read and spent:
        return float(left * spent / read)
    return runs.seconds("grid", left, probe.checkpoint, probe.device)
