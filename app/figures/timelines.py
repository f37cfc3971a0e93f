"""Signals through time: one row a signal, one line a run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
import xarray as xr
from plotly.subplots import make_subplots

from app.figures import aggregate, frame
from app.theme import SIGNALS, Palette, label, number

ROWS = ("surprise", "momentum", "forgotten")
POINTS = 2000
ROW_HEIGHT = 96
OVER = 1.3  # a start this many times higher than all the rest is cut off, and the note says so


def timelines(
    traces: Sequence[xr.Dataset],
    palette: Palette,
    *,
    layer: int | None = None,
    points: int = POINTS,
) -> go.Figure:
    """Stacked rows over a shared token axis; a row has one vertical scale for all runs, from zero."""
    rows = drawn(traces)
    figure = make_subplots(rows=len(rows), cols=1, shared_xaxes=True, vertical_spacing=0.09)
    for row, name in enumerate(rows, start=1):
        for ds in traces:
            if name in ds.data_vars:
                figure.add_trace(_line(ds, name, layer, points, palette, len(traces) == 1), row=row, col=1)
        signal = SIGNALS[name]
        figure.update_yaxes(rangemode="tozero", nticks=4, row=row, col=1)
        top, highest = reach(traces, name, layer)
        if highest > top:
            figure.update_yaxes(range=[0, 1.05 * top], row=row, col=1)
        frame.row_title(figure, row, f"{signal.label.lower()} {signal.symbol}", palette)
    frame.framed(figure, palette, ROW_HEIGHT * len(rows) + 56, hovermode="x unified", hoversubplots="axis")
    last = max((ds.sizes["token"] for ds in traces), default=1)
    figure.update_xaxes(range=[0.5, last + 0.5], showgrid=False)
    figure.update_xaxes(title_text="token", title_standoff=4, row=len(rows), col=1)
    figure.update_xaxes(unifiedhovertitle={"text": "token %{x}"})
    figure.update_yaxes(fixedrange=True)
    if len(traces) > 1:
        figure.update_traces(showlegend=True, row=1, col=1)
        place = {"orientation": "h", "x": 1, "xanchor": "right", "y": 1, "yanchor": "bottom"}
        figure.update_layout(showlegend=True, legend={**place, "itemclick": False, "itemdoubleclick": False})
    return figure


def drawn(traces: Sequence[xr.Dataset]) -> list[str]:
    """The signals that get a row; runs without a memory have only those of the output."""
    return [name for name in ROWS if any(name in ds.data_vars for ds in traces)] or ["nll", "entropy"]


def reach(traces: Sequence[xr.Dataset], name: str, layer: int | None) -> tuple[float, float]:
    """(value the axis reaches, highest value). They differ where an empty memory would flatten all that follows."""
    columns = [(aggregate.settling(ds), aggregate.column(ds, name, layer)) for ds in traces if name in ds.data_vars]
    highest = max((float(np.nanmax(c)) for _, c in columns if np.isfinite(c).any()), default=0.0)
    top = max((float(np.nanmax(c[skip:])) for skip, c in columns if np.isfinite(c[skip:]).any()), default=0.0)
    return (top, highest) if 0 < top < highest / OVER else (highest, highest)


def _line(ds: xr.Dataset, name: str, layer: int | None, points: int, palette: Palette, alone: bool) -> go.Scatter:
    checkpoint = str(ds.attrs["checkpoint"])
    index, values = aggregate.min_max(aggregate.column(ds, name, layer), points)
    colour = palette.variant(checkpoint)
    return go.Scatter(
        x=(index + 1).astype(np.int32),
        y=values,
        mode="lines",
        showlegend=False,
        name=label(checkpoint),
        line={"color": colour, "width": 1.3 if alone else 1},
        fill="tozeroy" if alone else None,
        fillcolor=_faint(colour),
        hovertemplate="%{y:.4g}",
    )


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.14)"


def mark(figure: go.Figure, token: int | None, palette: Palette) -> go.Figure:
    """The same figure with the selected token marked in every row."""
    if token is not None:
        figure.add_vline(x=token + 1, line={"color": palette.selected, "width": 1, "dash": "dot"})
    return figure


def note(traces: Sequence[xr.Dataset], layer: int | None, points: int = POINTS) -> str:
    """What is drawn, in words: granularity, layers, and how many of how many tokens."""
    ds = traces[0]
    count = ds.sizes["token"]
    first = drawn(traces)[0]
    rule = aggregate.layer_words(ds, first, layer)
    if count <= points:
        shown = f"showing all {count:,} tokens"
    else:
        index, _ = aggregate.min_max(aggregate.column(ds, first, layer), points)
        shown = f"showing {len(index):,} of {count:,} tokens, lowest and highest of each bin"
    return " · ".join(part for part in (rule, "one vertical scale a row", _cut(traces, layer), shown) if part)


def _cut(traces: Sequence[xr.Dataset], layer: int | None) -> str:
    """Which rows start above their scale, and how high: an empty memory is surprised by everything."""
    reached = {name: reach(traces, name, layer) for name in drawn(traces)}
    parts = [f"{SIGNALS[name].label.lower()} {number(high)}" for name, (top, high) in reached.items() if high > top]
    return "starts above the scale: " + ", ".join(parts) if parts else ""


def summary(traces: Sequence[xr.Dataset], layer: int | None) -> str:
    """The figure in one sentence, for people who cannot see it."""
    parts = []
    for ds in traces:
        for name in drawn(traces):
            if name in ds.data_vars:
                values = aggregate.column(ds, name, layer)
                top = int(np.nanargmax(values)) if np.isfinite(values).any() else 0
                parts.append(
                    f"{label(str(ds.attrs['checkpoint']))} {SIGNALS[name].label.lower()} "
                    f"{number(float(np.nanmin(values)))} to {number(float(np.nanmax(values)))}, "
                    f"highest at token {top + 1}"
                )
    return "Signals through time. " + "; ".join(parts) + "."
