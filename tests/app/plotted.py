"""Figures of app.figures.plot, checked by plotly, which refuses what plotly.js has no use for."""

from __future__ import annotations

import plotly.graph_objects as go

from app.figures.plot import Plot


def plotted(plot: Plot) -> go.Figure:
    """The same as plotly's own figure. Raises ValueError where plotly would not have made it."""
    return go.Figure({"data": plot.data, "layout": plot.layout, "frames": plot.frames})
