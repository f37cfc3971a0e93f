"""Layer x token: where in the model, and when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from app.figures import aggregate, frame, scale
from app.figures.aggregate import Read
from app.theme import SIGNALS, Palette, label, number
from titans_core.pyramid import Bins, bins

HOW = {"max": "highest", "mean": "mean"}  # what is drawn of the tokens of a bin

Span = tuple[int, int]


def layer_map(
    traces: Sequence[xr.Dataset],
    signal: str,
    palette: Palette,
    *,
    span: Span | None = None,
    how: str = "max",
    wanted: int = aggregate.BINS,
    read: Read = bins,
) -> go.Figure:
    """One heatmap a run, all on one scale (cividis; blue to orange for signed signals).

    span: the tokens drawn, None for all. Up to `wanted` tokens are drawn each; more as bins of equal width, by their
    highest value or their mean (`how`), and the axis then covers whole bins.
    """
    shown = layered(traces, signal)
    cells = [read(ds, signal, layer="each", span=span, wanted=wanted) for ds in shown]
    limits = layer_scale(shown, signal, aggregate.width(cells[0]) if cells else 1, how, read)
    colours = {"zmin": limits.low, "zmax": limits.high, "colorscale": _colours(signal, palette)}
    heats = [
        _heat(ds, signal, found, how) | frame.place(row) | colours | {"showscale": row == 1, "colorbar": _bar(palette)}
        for row, (ds, found) in enumerate(zip(shown, cells, strict=True), start=1)
    ]
    return go.Figure(heats, _layout(shown, aggregate.extent(cells[0]) if cells else (0, 1), palette))


def _layout(shown: Sequence[xr.Dataset], extent: Span, palette: Palette) -> frame.Layout:
    low, high = extent
    rows = max(len(shown), 1)
    gap = min(0.2, 0.9 / (4 * rows))
    height = 24 * sum(ds.sizes["layer"] for ds in shown) + 22 * len(shown) + 60
    x = {"range": [low + 0.5, high + 0.5], "showgrid": False, "ticks": ""}
    layout = frame.stacked(palette, height, rows, gap, x, {"showgrid": False, "fixedrange": True})
    layout["margin"] |= {"t": 34, "b": 42}
    layout["uirevision"] = f"{low} {high}"
    if len(shown) > 1:
        names = (label(str(ds.attrs["checkpoint"])) for ds in shown)
        layout["annotations"] = [frame.row_title(row, name, palette) for row, name in enumerate(names, start=1)]
    return layout


def layered(traces: Sequence[xr.Dataset], signal: str) -> list[xr.Dataset]:
    """Those that have the signal layer by layer."""
    return [ds for ds in traces if signal in ds.data_vars and "layer" in ds[signal].dims]


def _heat(ds: xr.Dataset, signal: str, found: Bins, how: str) -> dict[str, Any]:
    """The cells of one run; each knows the token of its highest value, which a click selects."""
    size = aggregate.width(found)
    value = SIGNALS[signal].label.lower() + " %{z:.4g}"
    words = "token %{x:,d}, %{y}<br>" + value
    if size > 1:
        words = f"{size:,} tokens around %{{x:,d}}, %{{y}}<br>{HOW[how]} {value}<br>highest at token %{{customdata:,d}}"
    return {
        "type": "heatmap",
        "z": getattr(found, how).astype(np.float32),
        "x0": float(found.start[0]) + (size + 1) / 2,
        "dx": size,
        "y": [f"L{int(k) + 1}" for k in ds["layer"].values],
        "customdata": (found.peak + 1).astype(np.int32) if size > 1 else None,
        "hovertemplate": words + "<extra></extra>",
        "ygap": 1,
    }


def layer_scale(
    traces: Sequence[xr.Dataset], signal: str, size: int = 1, how: str = "max", read: Read = bins
) -> scale.Scale:
    """The scale over every layer of every run that has the signal, for bins of `size` tokens all over the text."""
    having = layered(traces, signal)
    found = [aggregate.typical(ds, signal, size, how, read) for ds in having]
    of = "" if size == 1 else f" of bins of {size:,} tokens"
    if any(sampled for _, sampled in found):
        of += f" of a sample of {aggregate.SAMPLE:,} tokens" if size == 1 else f" in a sample of {aggregate.SAMPLE:,}"
    skip = aggregate.settling(having[0]) if having else 0
    return scale.shared([values for values, _ in found], signal, of=of + (f", after token {skip}" if skip else ""))


def _bar(palette: Palette) -> dict[str, object]:
    """A colour bar above the right end, so that the time axis lines up with the timelines."""
    ticks = {"size": 11, "color": palette.muted}
    place = {"orientation": "h", "x": 1.0, "xanchor": "right", "y": 1.0, "yanchor": "bottom", "len": 150, "ypad": 6}
    return place | {"lenmode": "pixels", "thickness": 7, "outlinewidth": 0, "tickfont": ticks, "nticks": 4}


def _colours(signal: str, palette: Palette) -> list[list[object]] | str:
    if SIGNALS[signal].kind != "cosine":
        return "cividis"
    stops = palette.diverging
    return [[k / (len(stops) - 1), colour] for k, colour in enumerate(stops)]


def bin_size(traces: Sequence[xr.Dataset], span: Span | None = None, wanted: int = aggregate.BINS) -> int:
    """About how many tokens a cell is of; exactly 1 where cells are single tokens."""
    low, high = span or (0, traces[0].sizes["token"])
    return -(-(high - low) // wanted)


def note(
    traces: Sequence[xr.Dataset],
    signal: str,
    span: Span | None = None,
    how: str = "max",
    wanted: int = aggregate.BINS,
    read: Read = bins,
) -> str:
    """What is drawn, in words: the scale, the granularity and how tokens were put together."""
    ds = layered(traces, signal)[0]
    found = read(ds, signal, layer="each", span=span, wanted=wanted)
    limits = layer_scale(traces, signal, aggregate.width(found), how, read)
    shown = aggregate.shown_words(found, ds.sizes["token"], HOW[how], 1 if how == "max" else 0)
    granularity = ds[signal].attrs.get("granularity", "token")
    return f"{number(limits.low)}–{number(limits.high)}, {limits.rule} · per {granularity} · {shown}"


def summary(traces: Sequence[xr.Dataset], signal: str, span: Span | None = None, read: Read = bins) -> str:
    """The figure in one sentence, for people who cannot see it."""
    parts = []
    for ds in layered(traces, signal):
        found = read(ds, signal, layer="each", span=span, wanted=aggregate.BINS)
        weight = np.maximum(found.finite.sum(1), 1)
        means = np.where(found.finite.any(1), np.nansum(found.mean * found.finite, 1) / weight, np.nan)
        listed = ", ".join(f"layer {k + 1} {number(float(m))}" for k, m in enumerate(means))
        parts.append(f"{label(str(ds.attrs['checkpoint']))} mean {listed}")
    place = "" if span is None else f", tokens {span[0] + 1:,} to {span[1]:,}"
    return f"{SIGNALS[signal].label} by layer and token{place}. " + "; ".join(parts) + "."
