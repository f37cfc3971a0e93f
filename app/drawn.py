"""Figures of finished runs, drawn once and kept as they are sent: making one takes longer than all else on its page."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

import plotly.graph_objects as go
import plotly.io
from plotly.basedatatypes import BaseFigure

from app.kept import Kept


class Drawn(BaseFigure):
    """A figure that cannot change any more, as Streamlit takes one; what it is written from is made once."""

    def __init__(self, figure: go.Figure) -> None:
        self._written: dict[str, Any] = figure.to_dict()

    def to_dict(self) -> dict[str, Any]:
        """What is sent, for all sessions; not to be changed."""
        return self._written


class Chart(NamedTuple):
    """A figure and what it says to people who cannot see it. bytes: as it is sent."""

    figure: Drawn
    alt: str
    bytes: int


def _unknown(key: Hashable) -> Chart:
    raise KeyError(key)


_charts: Kept[Hashable, Chart] = Kept(32_000_000, _unknown, lambda chart: 2_000 + 2 * chart.bytes)


def chart(about: Hashable, make: Callable[[], tuple[go.Figure, str]]) -> Chart:
    """The figure and words that `make` makes, kept under `about`, which says all that they depend on.

    That is: which figure, the ids of the runs (a run never changes), what is looked at, and the theme.
    """
    return _charts.get(about, lambda: _made(*make()))


def _made(figure: go.Figure, alt: str) -> Chart:
    drawn = Drawn(figure)
    return Chart(drawn, alt, len(plotly.io.to_json(drawn.to_dict(), validate=False)))
