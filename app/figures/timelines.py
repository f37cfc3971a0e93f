"""Signals through time: one row a signal, one line a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from app.figures import aggregate, frame
from app.figures.aggregate import Read
from app.theme import SIGNALS, Palette, label, number
from titans_core.pyramid import Bins, bins

ROWS = ("surprise", "momentum", "forgotten")
ROW_HEIGHT = 96
OVER = 1.3  # a start this many times higher than all the rest is cut off, and the note says so

Span = tuple[int, int] | None
Reached = Callable[[str], tuple[float, float]]  # `reach` of a signal


def timelines(
    traces: Sequence[xr.Dataset],
    palette: Palette,
    *,
    layer: int | None = None,
    span: Span = None,
    wanted: int = aggregate.BINS,
    read: Read = bins,
    reached: Reached | None = None,
) -> go.Figure:
    """Stacked rows over a shared token axis; a row has one vertical scale for all runs, from zero.

    span: the tokens drawn, None for all. Up to `wanted` tokens are drawn each; more as the lowest and highest of bins,
    and the axis then covers whole bins. The vertical scale is that of the whole text at any zoom; reached: where it is
    known already.
    """
    reached = reached or partial(reach, traces, layer=layer, read=read)
    rows = drawn(traces)
    lines: list[dict[str, Any]] = []
    found = None
    for row, name in enumerate(rows, start=1):
        for ds in traces:
            if name in ds.data_vars:
                found = read(ds, name, layer=layer, span=span, wanted=wanted)
                for line in _lines(found, str(ds.attrs["checkpoint"]), palette, len(traces) == 1):
                    lines.append(line | frame.place(row) | {"showlegend": "name" in line and row == 1})
    layout = _layout(rows, found, palette)
    for row, name in enumerate(rows, start=1):
        top, highest = reached(name)
        if highest > top or (span is not None and top > 0):
            layout[frame.named("yaxis", row)]["range"] = [0, 1.05 * top]
    if len(traces) > 1:
        at = {"orientation": "h", "x": 1, "xanchor": "right", "y": 1, "yanchor": "bottom", "traceorder": "normal"}
        layout |= {"showlegend": True, "legend": {**at, "itemclick": False, "itemdoubleclick": False}}
    return go.Figure(lines, layout)


def _layout(rows: Sequence[str], found: Bins | None, palette: Palette) -> frame.Layout:
    low, high = aggregate.extent(found) if found is not None else (0, 1)
    size = aggregate.width(found) if found is not None else 1
    title = "token %{x:,d}" if size == 1 else f"{size:,} tokens around %{{x:,d}}, lowest to highest"
    x = {"range": [low + 0.5, high + 0.5], "showgrid": False, "unifiedhovertitle": {"text": title}}
    y = {"rangemode": "tozero", "nticks": 4, "fixedrange": True}
    layout = frame.stacked(palette, ROW_HEIGHT * len(rows) + 56, len(rows), 0.09, x, y)
    layout[frame.named("xaxis", len(rows))]["title"]["standoff"] = 4
    titles = (f"{SIGNALS[name].label.lower()} {SIGNALS[name].symbol}" for name in rows)
    return layout | {
        "annotations": [frame.row_title(row, title, palette) for row, title in enumerate(titles, start=1)],
        "hovermode": "x unified",
        "hoversubplots": "axis",
        "uirevision": f"{low} {high}",  # what the browser zoomed to gives way to what was drawn for it
    }


def drawn(traces: Sequence[xr.Dataset]) -> list[str]:
    """The signals that get a row; runs without a memory have only those of the output."""
    return [name for name in ROWS if any(name in ds.data_vars for ds in traces)] or ["nll", "entropy"]


def reach(traces: Sequence[xr.Dataset], name: str, layer: int | None, read: Read = bins) -> tuple[float, float]:
    """(value the axis reaches, highest value). They differ where an empty memory would flatten all that follows."""
    having = [ds for ds in traces if name in ds.data_vars]
    highest = max((v for ds in having if np.isfinite(v := aggregate.highest(ds, name, layer, read=read))), default=0.0)
    later = [aggregate.highest(ds, name, layer, aggregate.settling(ds), read) for ds in having]
    top = max((v for v in later if np.isfinite(v)), default=0.0)
    return (top, highest) if 0 < top < highest / OVER else (highest, highest)


def _lines(found: Bins, checkpoint: str, palette: Palette, alone: bool) -> list[dict[str, Any]]:
    """One line of single tokens; of bins their highest, and a band down to their lowest."""
    colour = palette.variant(checkpoint)
    size = aggregate.width(found)
    x = {"x0": float(found.start[0]) + (size + 1) / 2, "dx": size}
    look = {"type": "scatter", "mode": "lines", **x, "line": {"color": colour, "width": 1.3 if alone else 1}}
    high = {"y": found.max.astype(np.float32), "name": label(checkpoint)}
    if size == 1:
        fill = {"fill": "tozeroy" if alone else None, "fillcolor": _faint(colour, 0.14)}
        return [look | fill | high | {"hovertemplate": "%{y:.4g}"}]
    under = look | {"y": found.min.astype(np.float32), "hoverinfo": "skip", "line": {"color": colour, "width": 0}}
    facts = np.stack([found.min, found.peak + 1], 1)
    # Half the bytes, where a token's number is exact in them.
    facts = facts.astype(np.float32) if found.stop[-1] < 2**24 else facts
    words = "%{customdata[0]:.4g} to %{y:.4g}, highest at token %{customdata[1]:,d}"
    fill = {"fill": "tonexty", "fillcolor": _faint(colour, 0.3 if alone else 0.14)}
    return [under, look | fill | high | {"customdata": facts, "hovertemplate": words}]


def _faint(colour: str, strength: float) -> str:
    red, green, blue = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
    return f"rgba({red},{green},{blue},{strength})"


def note(
    traces: Sequence[xr.Dataset],
    layer: int | None,
    span: Span = None,
    wanted: int = aggregate.BINS,
    read: Read = bins,
    reached: Reached | None = None,
) -> str:
    """What is drawn, in words: granularity, layers, and how many of how many tokens."""
    first = drawn(traces)[0]
    ds = next(ds for ds in traces if first in ds.data_vars)
    found = read(ds, first, layer=layer, span=span, wanted=wanted)
    shown = aggregate.shown_words(found, ds.sizes["token"], "lowest and highest", 2)
    scale = "one vertical scale a row" + (", of the whole text" if span is not None else "")
    rule = aggregate.layer_words(ds, first, layer)
    reached = reached or partial(reach, traces, layer=layer, read=read)
    return " · ".join(part for part in (rule, scale, _cut(traces, span, reached), shown) if part)


def _cut(traces: Sequence[xr.Dataset], span: Span, reached: Reached) -> str:
    """Which rows start above their scale, and how high: an empty memory is surprised by everything."""
    if span is not None and span[0] >= max(map(aggregate.settling, traces)):
        return ""
    rows = {name: reached(name) for name in drawn(traces)}
    parts = [f"{SIGNALS[name].label.lower()} {number(high)}" for name, (top, high) in rows.items() if high > top]
    return "starts above the scale: " + ", ".join(parts) if parts else ""


def summary(traces: Sequence[xr.Dataset], layer: int | None, span: Span = None, read: Read = bins) -> str:
    """The figure in one sentence, for people who cannot see it."""
    parts = []
    for ds in traces:
        for name in drawn(traces):
            if name in ds.data_vars:
                found = read(ds, name, layer=layer, span=span, wanted=aggregate.BINS)
                named = f"{label(str(ds.attrs['checkpoint']))} {SIGNALS[name].label.lower()}"
                if not found.finite.any():
                    parts.append(f"{named} undefined")
                    continue
                top = int(found.peak[np.nanargmax(found.max)])
                low, high = number(float(np.nanmin(found.min))), number(float(np.nanmax(found.max)))
                parts.append(f"{named} {low} to {high}, highest at token {top + 1:,}")
    place = "" if span is None else f", tokens {span[0] + 1:,} to {span[1]:,}"
    return f"Signals through time{place}. " + "; ".join(parts) + "."
