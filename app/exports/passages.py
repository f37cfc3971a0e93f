"""Where a signal of a trace is highest, for what the passages say rather than where a segment begins."""

from __future__ import annotations

import numpy as np
import xarray as xr

from app.figures import aggregate
from titans_core import passages
from titans_core.passages import Passage


def highest(ds: xr.Dataset, values: np.ndarray) -> list[Passage]:
    """values (T,): of the signal, over one layer or all."""
    values = passages.inside_segments(values, aggregate.segment(ds))
    spans = ds["start"].values, ds["end"].values
    return passages.passages(values, *spans, str(ds.attrs["text"]), skip=aggregate.settling(ds))
