"""What panels are made of: a title with a note, the table behind a figure, progress, and what is drawn again when."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Hashable
from typing import Any

import pandas as pd
import streamlit as st
from streamlit.errors import StreamlitAPIException

from app import drawn, naming, state, theme
from app.figures import frame
from app.figures.plot import Plot
from app.jobs import Progress
from app.state import looking
from titans_core.passages import SPAN

# Keys of fragments. Each page says of which it consists; all but MEMORY show what is looked at.
EXPLORE = ("figures", "text", "side", "export", "memory", "worth")
COMPARE = ("text", "difference", "figures", "side", "export")
PATH = "path"  # of the fragment within that of the memory
MEMORY = "memory"  # of the fragment that shows the layer and the colours of it, whatever the token


def then_draw(act: Callable[[], None], *first: str) -> Callable[[], None]:
    """A callback that does `act` and has what it may change of a result drawn again, `first` what it is about."""

    def done() -> None:
        before = _of_memory()
        act()
        there = [part for part in state.parts() if part != MEMORY or _of_memory() != before]
        _draw([*(part for part in first if part in there), *(part for part in there if part not in first)])

    return done


def then_link(act: Callable[[], None], *shown: str) -> Callable[[], None]:
    """A callback that does `act`, which changes what these parts show and the address, which the timelines write."""

    def done() -> None:
        act()
        _draw([*shown, "figures"])

    return done


def _draw(listed: list[str]) -> None:
    """Have these parts drawn again; where one of them is not on the page any more, all of it, which Streamlit does."""
    with contextlib.suppress(StreamlitAPIException):
        st.rerun(listed)


def _of_memory() -> tuple[int | None, str | None]:
    """What the memory over time depends on of what is chosen."""
    return looking.layer(sys.maxsize), state.reported_theme()


def title(title: str, note: str, more: str = "") -> None:
    """A title, what stands beside it, and what a question mark after it says when pointed at."""
    st.markdown(
        f"**{title}**" + (f" :small[:gray[{state.plain(note)}]]" if note else ""), help=state.plain(more) or None
    )


def chart(key: str, about: tuple[Hashable, ...], make: Callable[[], tuple[Plot, str]], **selecting: Any) -> None:
    """Draw a figure of finished runs; `about`: what it and its words depend on beside the theme (see app.drawn)."""
    made = drawn.chart((key, state.palette().dark, *about), make)
    st.plotly_chart(made.figure, config=frame.CHART, theme=None, key=key, alt=made.alt, **selecting)


def plot(key: str, figure: Plot, alt: str) -> None:
    """Draw a figure that is not kept. alt: the same for people who cannot see it."""
    st.plotly_chart(drawn.Drawn(figure), config=frame.CHART, theme=None, key=key, alt=alt)


def table(key: str, rows: Callable[[], tuple[str, pd.DataFrame]]) -> None:
    """The numbers behind a figure, built only when opened."""
    box = st.expander("Table", key=f"table_{key}", on_change="rerun")
    if box.open:
        note, listed = rows()
        with box:
            st.caption(note)
            st.dataframe(listed, hide_index=True, height=260, placeholder="–")


def no_passage(tokens: int) -> bool:
    """Whether a text of so many tokens is shorter than a passage, which is then said."""
    if tokens < SPAN:
        st.caption(f"The text has {theme.count(tokens)}, and a passage is {SPAN}.")
    return tokens < SPAN


def refused(error: Exception) -> None:
    """Say why nothing was begun, until that is clicked away: what was pressed may be far from what is looked at."""
    st.toast(state.plain(str(error)), icon=":material/hourglass_disabled:", duration="infinite")


def progress_words(at: Progress, note: str = "") -> str:
    """Where a job is, for the label of its bar; note: what its tokens are of."""
    name = state.plain(naming.asked(at.checkpoint, at.changes, at.texts))
    if at.state == "queued":
        begins = "" if at.seconds_left is None else f", begins in {theme.about(max(1.0, at.seconds_left))}"
        return f"{name}: waiting" + (f", {at.ahead} before it{begins}" if at.ahead else " for the worker to start")
    if at.state == "loading" or not at.total:
        return f"{name}: loading the model"
    left = f", {theme.about(at.seconds_left)} left" if at.seconds_left else ""
    return f"{name}: {at.done:,} of {theme.count(at.total)}{note}{left}"
