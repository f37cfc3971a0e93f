"""From (layer, token) to one number a token, and from many tokens to what fits on a screen."""

from __future__ import annotations

import itertools
import json

import numpy as np
import xarray as xr

from app.theme import SIGNALS
from titans_core.signals import sum_layers

LAYER_RULE = {
    "norm": "root of summed squares over {n} layers",
    "sum": "sum over {n} layers",
    "gate": "mean of {n} layers",
    "share": "mean of {n} layers",
    "cosine": "mean of {n} layers",
    "bits": "of the model's output",
}


def signals(ds: xr.Dataset) -> list[str]:
    """Names of the signals this trace has, in the order the page lists them."""
    return [name for name in SIGNALS if name in ds.data_vars]


def column(ds: xr.Dataset, signal: str, layer: int | None = None) -> np.ndarray:
    """One signal as float32 (T,): of one layer, or of all (LAYER_RULE says how). NaN where undefined.

    Raises KeyError for a signal the trace lacks, IndexError for a layer it lacks.
    """
    variable = ds[signal]
    if "layer" not in variable.dims:
        return np.asarray(variable.values, np.float32)
    if layer is not None:
        return np.asarray(variable.isel(layer=layer).values, np.float32)
    return sum_layers(signal, np.asarray(variable.values))


def settling(ds: xr.Dataset) -> int:
    """Tokens at the start that scales and passages leave out: to an empty memory everything is a surprise.

    One attention window of a long text, nothing of a short one.
    """
    window = int(json.loads(ds.attrs["config"]).get("window", 0))
    return window if ds.sizes["token"] >= 4 * window else 0


def layer_words(ds: xr.Dataset, signal: str, layer: int | None) -> str:
    """How the layers were put together, in words: "root of summed squares over 3 layers", "layer 2"."""
    if "layer" not in ds[signal].dims:
        return LAYER_RULE["bits"]
    if layer is not None or ds.sizes["layer"] == 1:
        return f"layer {(layer or 0) + 1}"
    return LAYER_RULE[SIGNALS[signal].kind].format(n=ds.sizes["layer"])


def min_max(values: np.ndarray, points: int) -> tuple[np.ndarray, np.ndarray]:
    """At most about `points` (index, value) pairs that keep each bin's lowest and highest value, in order.

    Texts with no more tokens than `points` come back whole.
    """
    count = len(values)
    if count <= points:
        return np.arange(count), values
    edges = np.linspace(0, count, points // 2 + 1).astype(np.int64)
    picks = []
    for low, high in itertools.pairwise(edges):
        part = values[low:high]
        if np.isnan(part).all():
            picks.append(np.array([low]))
        else:
            picks.append(np.unique([low + np.nanargmin(part), low + np.nanargmax(part)]))
    index = np.unique(np.concatenate(picks))
    return index, values[index]


def block_max(values: np.ndarray, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """(L, T) -> (starts (C,), (L, C)) with C <= columns: the highest value of each block of equal length."""
    count = values.shape[1]
    width = -(-count // columns)
    starts = np.arange(0, count, max(width, 1))
    if width <= 1:
        return starts, values
    return starts, np.fmax.reduceat(values, starts, axis=1)
