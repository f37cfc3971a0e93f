"""The numbers behind each figure: (what the rows are, DataFrame)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from app import naming, theme
from app.figures import aggregate
from app.figures import layers as layer_figure
from app.figures import timelines as time_figure
from app.theme import SIGNALS
from titans_core.pyramid import Bins, bins

MOST = 5000  # rows of one table

Span = tuple[int, int] | None


def tokens(
    traces: Sequence[xr.Dataset], signal: str, layer: int | None, selected: int | None
) -> tuple[str, pd.DataFrame]:
    """Token, piece and the shown signal of each run; of a long text the MOST rows around the selected token."""
    ds = next(ds for ds in traces if signal in ds.data_vars)
    count = ds.sizes["token"]
    low = max(0, min((selected or 0) - MOST // 2, count - MOST))
    high = min(count, low + MOST)
    frame = pd.DataFrame({"token": np.arange(low, high) + 1, "piece": ds["piece"].values[low:high].astype(str)})
    for trace, name in zip(traces, naming.names(traces), strict=True):
        if signal in trace.data_vars:
            frame[_column(name, signal)] = aggregate.column(trace, signal, layer, (low, high))
    part = "" if len(frame) == count else ", around the selected token"
    return f"{len(frame):,} of {theme.count(count)}{part} · {aggregate.layer_words(ds, signal, layer)}", frame


def timelines(traces: Sequence[xr.Dataset], layer: int | None, span: Span = None) -> tuple[str, pd.DataFrame]:
    """The points that the timelines draw, one row a token or a bin of tokens."""
    columns: dict[str, np.ndarray] = {}
    note = ""
    for ds, run in zip(traces, naming.names(traces), strict=True):
        for name in time_figure.drawn(traces):
            if name not in ds.data_vars:
                continue
            column = _column(run, name)
            found = bins(ds, name, layer=layer, span=span, wanted=aggregate.BINS)
            columns |= _places(found)
            note = note or aggregate.shown_words(found, ds.sizes["token"], "lowest and highest", 2)
            if aggregate.width(found) == 1:
                columns[column] = found.max.astype(np.float32)
            else:
                columns[f"{column} lowest"] = found.min.astype(np.float32)
                columns[f"{column} highest"] = found.max.astype(np.float32)
    return note, pd.DataFrame(columns)


def layer_map(
    traces: Sequence[xr.Dataset], signal: str, span: Span = None, how: str = "max"
) -> tuple[str, pd.DataFrame]:
    """The cells of the layer map, one row a token or a bin of tokens."""
    columns: dict[str, np.ndarray] = {}
    note = ""
    having = layer_figure.layered(traces, signal)
    for ds, run in zip(having, naming.names(having), strict=True):
        found = bins(ds, signal, layer="each", span=span, wanted=aggregate.BINS)
        columns |= _places(found)
        shown = aggregate.shown_words(found, ds.sizes["token"], layer_figure.HOW[how], 1 if how == "max" else 0)
        note = note or f"{SIGNALS[signal].label}, {shown}"
        for k, row in enumerate(getattr(found, how).astype(np.float32)):
            columns[f"{run.label} L{k + 1}"] = row
    return note, pd.DataFrame(columns)


def _places(found: Bins) -> dict[str, np.ndarray]:
    if aggregate.width(found) == 1:
        return {"token": found.start + 1}
    return {"from token": found.start + 1, "to token": found.stop}


def _column(run: naming.Name, signal: str) -> str:
    return f"{run.label} {SIGNALS[signal].label.lower()}"
