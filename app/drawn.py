"""Figures of finished runs, drawn once and kept as they are sent: making one takes longer than all else on its page."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable
from types import SimpleNamespace
from typing import Any, NamedTuple, TypeVar

from plotly.basedatatypes import BaseFigure

from app.figures.plot import Plot
from app.kept import Kept

T = TypeVar("T")


class Drawn(BaseFigure):
    """A figure that cannot change any more, as Streamlit takes one; what it is written from is made once."""

    def __init__(self, plot: Plot) -> None:
        written = plot.to_json()
        self._height = plot.layout.get("height")
        self._size = 2_000 + 2 * len(written)
        self._plain: dict[str, Any] = json.loads(written)

    @property
    def layout(self) -> Any:
        """What Streamlit asks of it: how high it is."""
        return SimpleNamespace(height=self._height)

    @layout.setter
    def layout(self, _: Any) -> None:
        raise AttributeError("a figure that is drawn does not change")

    @property
    def bytes(self) -> int:
        """In memory, more or less."""
        return self._size

    def to_dict(self) -> dict[str, Any]:
        """What is sent, for all sessions; not to be changed."""
        return self._plain


class Chart(NamedTuple):
    """A figure and what it says to people who cannot see it."""

    figure: Drawn
    alt: str


def _unknown(key: Hashable) -> Chart:
    raise KeyError(key)


_charts: Kept[Hashable, Chart] = Kept(8_000_000, _unknown, lambda chart: chart.figure.bytes)


def chart(about: Hashable, make: Callable[[], tuple[Plot, str]]) -> Chart:
    """The figure and words that `make` makes, kept under `about`, which says all that they depend on.

    That is: which figure, the ids of the runs (a run never changes), what is looked at, and the theme.
    """
    return _charts.get(about, lambda: _made(*make()))


_words: Kept[Hashable, Any] = Kept(4_000_000, _unknown, lambda said: 500 + 2 * len(repr(said)))


def words(about: Hashable, make: Callable[[], T]) -> T:
    """What `make` says of finished runs, kept in the same way; not to be changed."""
    said: T = _words.get(about, make)
    return said


def _made(plot: Plot, alt: str) -> Chart:
    return Chart(Drawn(plot), alt)
