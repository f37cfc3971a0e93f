"""The needle grid panel: chosen, begun by a button, filled in live by the worker, cancelled and resumed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import streamlit as st

from app import needles, recalling, runs, state, theme
from app.bare import bare
from app.components.needle_grid import needle_grid
from app.figures import needle_grid as figures
from app.figures.needle_grid import Grid
from app.jobs import Probe, Subject
from app.probing import grid
from app.runs import costs
from app.views import grid_cell, grid_choices, parts, probing
from app.words import words
from titans_core.errors import StoreError

KEY, PANEL = "needle_grid", "grid"
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


@st.fragment(key=PANEL)
def _panel(subject_id: str, subject: Subject, checkpoints: tuple[str, ...], device: str) -> None:
    options = grid_choices.options(subject_id)
    parts.title("Needle grid", f"length × depth, n = {options['n']} a cell, grey = not run", words("needle_grid"))
    refused = grid.refusal(subject, "", options)
    given = needles.given(options)
    probes = [Probe("grid", subject_id, name, subject.title, given, device) for name in checkpoints if not refused]
    chosen = probing.wanted(probes)
    probes = [probe for probe in probes if probe in chosen or probing.known(probe)]
    live = bool(probing.standing(probes).live)
    with st.expander("Needle, lengths, depths, n", key="grid_choices"):
        grid_choices.controls(subject_id, subject, options, disabled=live)
    if not probes:
        st.caption(state.plain(refused or "Choose one or more memories."))
        return
    st.fragment(_grid, run_every=1.0 if live else None)(Asked(subject_id, subject, options, probes), live)
    with st.expander("How to read this"):
        st.caption(words("needle_grid"))
        st.caption("  \n".join(f"**{kind}**: {said}" for kind, said in figures.MEANING.items()))


def _grid(asked: Asked, ticking: bool) -> None:
    """What there is so far, drawn again while cells come in; the page is drawn anew when the last probe ended."""
    at = probing.standing(asked.probes)
    if ticking and not at.live:
        st.rerun()
    lengths, depths = asked.options["lengths"], asked.options["depths"]
    grids, damaged = _read(asked, at)
    threshold = st.session_state.get(f"{KEY}_threshold", 0.85)
    picked = grid_cell.picked(asked.subject_id, asked.options, grids)
    alt = figures.alt(grids, lengths, depths)
    drawn = figures.drawing(grids, lengths, depths, threshold, state.palette())
    needle_grid(KEY, drawn, alt, picked, partial(grid_cell.pick, KEY, asked.subject_id))
    st.html(figures.legend())
    line, choice = st.columns([0.68, 0.32], vertical_alignment="center")
    line.caption(state.plain(figures.sentence(grids, depths, threshold)) if any(one.cells for one in grids) else "")
    choice.selectbox(
        "Effective length at",
        THRESHOLDS,
        index=THRESHOLDS.index(0.85),
        format_func=lambda share: f"line at {figures.share(share)}",
        key=f"{KEY}_threshold",
        label_visibility="collapsed",
    )
    _standing(asked, at, grids)
    failed = [probe for probe in at.open if (one := runs.progress(probe.id)) is not None and one.failed]
    probing.problems(failed)  # that one was cancelled, the cells and the button say
    for name, problem in damaged.items():
        st.warning(state.plain(f"{theme.label(name)}: {problem}."))
    if picked is not None:
        grid_cell.details(asked.subject_id, asked.options, picked, grids, asked.probes[0].device)
    parts.table(KEY, lambda: figures.table(grids))


def _read(asked: Asked, at: probing.Standing) -> tuple[list[Grid], dict[str, str]]:
    """The cells of each memory, and by its name why those kept cannot be shown."""
    grids, damaged = [], {}
    for probe in asked.probes:
        cells: list[needles.Cell] = []
        try:
            cells = grid.checked(at.done.get(probe.id) or at.partial.get(probe.id), asked.options)
        except StoreError as error:
            damaged[probe.checkpoint] = bare(error)
        grids.append(Grid(probe.checkpoint, theme.label(probe.checkpoint), cells))
    return grids, damaged


def _standing(asked: Asked, at: probing.Standing, grids: Sequence[Grid]) -> None:
    """Cells done and time left, with Cancel; or a button that begins what is open, with what it costs."""
    cells = {probe.id: one.cells for one, probe in zip(grids, asked.probes, strict=True)}
    left = {probe.id: _left(asked, probe, one, grids) for one, probe in zip(grids, asked.probes, strict=True)}
    if at.live:
        total, done = asked.cells * len(grids), sum(map(len, cells.values()))
        whole = len(grids) * grid.tokens(0, asked.options)
        words, button = st.columns([0.75, 0.25], vertical_alignment="center")
        words.progress(
            1 - sum(tokens for tokens, _ in left.values()) / whole,
            text=f"{done} of {total} cells · {theme.about(sum(left[probe.id][1] for probe in at.live))} left",
        )
        if button.button("Cancel", key=f"{KEY}_cancel", width="stretch"):
            for probe in at.live:
                runs.engine().cancel(probe.id)
    elif begin := probing.wanted(at.open):
        takes = theme.about(sum(left[probe.id][1] for probe in begin))
        total, done = asked.cells * len(begin), sum(len(cells[probe.id]) for probe in begin)
        verb = f"Resume, {done} of {total} cells done" if done else f"Run {total} cell{'s' if total > 1 else ''}"
        of = f" of {probing.names(begin)}" if len(begin) < len(grids) else ""
        st.button(f"{verb}{of}: takes {takes}", key=f"{KEY}_start", on_click=_begin, args=(asked, begin))


def _begin(asked: Asked, probes: list[Probe]) -> None:
    recalling.show_grid(needles.address(asked.options))
    probing.begin(probes)
    st.rerun(PANEL)  # all of it, so that it goes on being drawn while cells come in


def _left(asked: Asked, probe: Probe, filled: Grid, grids: Sequence[Grid]) -> tuple[int, float]:
    """(tokens, seconds) to go: at the speed of the cells that are filled, else of what this server measured."""
    at, n = runs.progress(probe.id), asked.options["n"]
    if at is not None and at.state == "running" and at.total:
        left = at.total - at.done
    else:
        left = grid.tokens(0, asked.options) - n * sum(one["length"] for one in filled.cells)
    cells = filled.cells or [one for other in grids for one in other.cells]
    if spent := sum(one["seconds"] for one in cells):
        return left, left * spent / (n * sum(one["length"] for one in cells))
    return left, costs.seconds("grid", left, probe.checkpoint, probe.device)
