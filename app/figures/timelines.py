"""Signals through time: one row a signal, one line a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from app import naming
from app.figures import aggregate
from app.figures.aggregate import Read
from app.theme import SIGNALS, number
from titans_core.pyramid import bins

ROWS = ("surprise", "momentum", "forgotten")
OUTPUTS = ("nll", "entropy")
OVER = 1.3  # a start this many times higher than all the rest is cut off, and the note says so

Span = tuple[int, int] | None
Reached = Callable[[str], tuple[float, float]]  # `reach` of a signal


def drawing(
    traces: Sequence[xr.Dataset],
    *,
    layer: int | None = None,
    span: Span = None,
    wanted: int = aggregate.BINS,
    read: Read = bins,
    reached: Reached | None = None,
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Stacked rows over a shared token axis, as the browser draws them: facts, and arrays "row/run/..." of the bins.

    span: the tokens drawn, None for all. Up to `wanted` tokens are drawn each; more as bins, their mean over a band
    from lowest to highest, and the axis then covers whole bins. A row has one vertical scale for all runs, from zero,
    that of the whole text at any zoom; reached: where it is known already.
    """
    reached = reached or partial(reach, traces, layer=layer, read=read)
    names = drawn(traces)
    arrays: dict[str, np.ndarray] = {}
    found = None
    for row, name in enumerate(names):
        for run, ds in enumerate(traces):
            if name in ds.data_vars:
                found = read(ds, name, layer=layer, span=span, wanted=wanted)
                arrays |= aggregate.arrays(f"{row}/{run}", found, found.max, spread=True)
    facts = {
        "rows": [
            {"title": f"{SIGNALS[name].label.lower()} {SIGNALS[name].symbol}", "top": 1.05 * reached(name)[0] or 1.0}
            for name in names
        ],
        "runs": aggregate.labelled(traces),
        "note": note(traces, layer, span, wanted, read, reached),
        "summary": summary(traces, layer, span, read),
        **aggregate.covered(found),
    }
    return facts, arrays


def drawn(traces: Sequence[xr.Dataset]) -> list[str]:
    """The signals that get a row: of runs without them those of the output, of a foreign one its first, if need be."""
    known = [name for name in SIGNALS if any(name in ds.data_vars for ds in traces)]
    listed = ([name for name in first if name in known] for first in (ROWS, OUTPUTS))
    return next(filter(None, listed), known[: len(ROWS)])


def reach(traces: Sequence[xr.Dataset], name: str, layer: int | None, read: Read = bins) -> tuple[float, float]:
    """(value the axis reaches, highest value). They differ where an empty memory would flatten all that follows."""
    having = [ds for ds in traces if name in ds.data_vars]
    highest = max((v for ds in having if np.isfinite(v := aggregate.highest(ds, name, layer, read=read))), default=0.0)
    later = [aggregate.highest(ds, name, layer, aggregate.settling(ds), read) for ds in having]
    top = max((v for v in later if np.isfinite(v)), default=0.0)
    return (top, highest) if 0 < top < highest / OVER else (highest, highest)


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
    shown = aggregate.shown_words(found, ds.sizes["token"], "mean over lowest to highest", 2)
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
                named = f"{naming.of(ds)} {SIGNALS[name].label.lower()}"
                if not found.finite.any():
                    parts.append(f"{named} undefined")
                    continue
                top = int(found.peak[np.nanargmax(found.max)])
                low, high = number(float(np.nanmin(found.min))), number(float(np.nanmax(found.max)))
                parts.append(f"{named} {low} to {high}, highest at token {top + 1:,}")
    place = "" if span is None else f", tokens {span[0] + 1:,} to {span[1]:,}"
    return f"Signals through time{place}. " + "; ".join(parts) + "."
