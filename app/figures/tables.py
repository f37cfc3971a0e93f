"""The numbers behind each figure: (what the rows are, DataFrame)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from app.figures import aggregate
from app.figures import layers as layer_figure
from app.figures import timelines as time_figure
from app.theme import SIGNALS, label

MOST = 5000  # rows of one table


def tokens(
    traces: Sequence[xr.Dataset], signal: str, layer: int | None, selected: int | None
) -> tuple[str, pd.DataFrame]:
    """Token, piece and the shown signal of each run; of a long text the MOST rows around the selected token."""
    ds = traces[0]
    count = ds.sizes["token"]
    low = max(0, min((selected or 0) - MOST // 2, count - MOST))
    span = slice(low, min(count, low + MOST))
    frame = pd.DataFrame({"token": np.arange(count)[span] + 1, "piece": ds["piece"].values[span].astype(str)})
    for trace in traces:
        if signal in trace.data_vars:
            frame[_name(trace, signal)] = aggregate.column(trace, signal, layer)[span]
    part = "" if len(frame) == count else ", around the selected token"
    return f"{len(frame):,} of {count:,} tokens{part} · {aggregate.layer_words(ds, signal, layer)}", frame


def timelines(traces: Sequence[xr.Dataset], layer: int | None) -> tuple[str, pd.DataFrame]:
    """The points that the timelines draw."""
    parts = []
    for ds in traces:
        for name in time_figure.drawn(traces):
            if name in ds.data_vars:
                index, values = aggregate.min_max(aggregate.column(ds, name, layer), time_figure.POINTS)
                parts.append(pd.Series(values, index=index + 1, name=_name(ds, name)))
    frame = pd.concat(parts, axis=1).sort_index().rename_axis("token").reset_index()
    return f"{len(frame):,} drawn points of {traces[0].sizes['token']:,} tokens", frame


def layer_map(traces: Sequence[xr.Dataset], signal: str) -> tuple[str, pd.DataFrame]:
    """The cells of the layer map, one row a block of tokens."""
    columns: dict[str, np.ndarray] = {}
    for ds in traces:
        starts, values = aggregate.block_max(np.asarray(ds[signal].values), layer_figure.COLUMNS)
        columns["from token"] = starts + 1
        for k, row in enumerate(values):
            columns[f"{label(str(ds.attrs['checkpoint']))} L{k + 1}"] = row
    return f"{SIGNALS[signal].label}, highest of each block of tokens", pd.DataFrame(columns)


def _name(ds: xr.Dataset, signal: str) -> str:
    return f"{label(str(ds.attrs['checkpoint']))} {SIGNALS[signal].label.lower()}"
