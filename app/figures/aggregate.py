"""From (layer, token) to one number a token, and from many tokens to what fits on a screen."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import xarray as xr

from app import naming
from app.theme import SIGNALS, count
from titans_core.errors import StoreError
from titans_core.pyramid import Bins, Layer, bins
from titans_core.signals import MARK, sum_layers
from titans_core.storage import READ_ERRORS

BINS = 1_000  # most bins of a line, or of a row of the layer map
BLOCK = 16_384  # tokens read at once: one stored chunk
SAMPLE = 4 * BLOCK  # a longer text is sampled where only all of its tokens would tell
SHORT = 4_096  # tokens of a text whose values are kept in memory: 1.4 MB at most
STORED = 128  # tokens of the smallest bins that a long trace stores


class Reader:
    """`pyramid.bins` that reads everything once: a figure, its note and its summary are of the same bins."""

    def __init__(self) -> None:
        self._kept: dict[tuple[object, ...], tuple[xr.Dataset, Bins]] = {}

    def __call__(
        self,
        ds: xr.Dataset,
        name: str,
        *,
        layer: Layer = None,
        span: tuple[int, int] | None = None,
        wanted: int = BINS,
    ) -> Bins:
        key = (id(ds), name, layer, span, wanted)
        if key not in self._kept:
            self._kept[key] = ds, bins(ds, name, layer=layer, span=span, wanted=wanted)
        return self._kept[key][1]


Read = Callable[..., Bins]

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


def at_hand(ds: xr.Dataset) -> None:
    """Read all of a SHORT text into memory: 17 ms, where its parts one after the other took 100 (decision 0053).

    Where a part cannot be read nothing is said: that is for whoever draws it.
    """
    if ds.sizes["token"] <= SHORT:
        with contextlib.suppress(StoreError, *READ_ERRORS):
            ds.load()


def column(ds: xr.Dataset, signal: str, layer: int | None = None, span: tuple[int, int] | None = None) -> np.ndarray:
    """One signal as float32 (T,), or of the tokens `span`: of one layer, or of all (LAYER_RULE says how).

    NaN where undefined. Read block by block, so that a stored variable never stays in memory as a whole.
    Raises KeyError for a signal the trace lacks, IndexError for a layer it lacks.
    """
    variable = ds.variables[signal]
    low, high = span or (0, ds.sizes["token"])
    values = np.empty(high - low, np.float32)
    for start in range(low, high, BLOCK):
        part = variable.isel(token=slice(start, min(high, start + BLOCK)))
        if "layer" in part.dims:
            part = part.isel(layer=layer) if layer is not None else part.transpose("layer", "token")
        read = np.asarray(part.values)
        values[start - low : start - low + read.shape[-1]] = sum_layers(signal, read) if read.ndim == 2 else read
    return values


def at(ds: xr.Dataset, signal: str, token: int, layer: int | None = None) -> float:
    """`column` at one token, without reading the others."""
    return float(column(ds, signal, layer, (token, token + 1))[0])


def settling(ds: xr.Dataset) -> int:
    """Tokens at the start that scales and passages leave out: to an empty memory everything is a surprise.

    One attention window of a long text, nothing of a short one.
    """
    window = int(json.loads(ds.attrs["config"]).get("window", 0))
    return window if ds.sizes["token"] >= 4 * window else 0


def segment(ds: xr.Dataset) -> int | None:
    """Tokens of a segment of MAC; None for the others, and where what is called a token is a piece of one."""
    if ds.attrs["variant"] != "mac" or MARK in ds.attrs:
        return None
    return int(json.loads(ds.attrs["config"])["window"])


def layer_words(ds: xr.Dataset, signal: str, layer: int | None) -> str:
    """How the layers were put together, in words: "root of summed squares over 3 layers", "layer 2"."""
    if "layer" not in ds[signal].dims:
        return LAYER_RULE["bits"]
    if layer is not None or ds.sizes["layer"] == 1:
        return f"layer {(layer or 0) + 1}"
    return LAYER_RULE[SIGNALS[signal].kind].format(n=ds.sizes["layer"])


def width(found: Bins) -> int:
    """Tokens of one bin."""
    return int(found.start[1] - found.start[0]) if len(found.start) > 1 else int(found.stop[0] - found.start[0])


def extent(found: Bins) -> tuple[int, int]:
    """The tokens that the bins cover."""
    return int(found.start[0]), int(found.stop[-1])


def covered(found: Bins | None) -> dict[str, Any]:
    """The tokens and the width of bins, for the browser; None: nothing is drawn."""
    return {"extent": [0, 1], "size": 1} if found is None else {"extent": list(extent(found)), "size": width(found)}


def labelled(traces: Sequence[xr.Dataset]) -> list[dict[str, Any]]:
    """What runs are called and how they look, for the browser."""
    return [name.drawn for name in naming.names(traces)]


def arrays(prefix: str, found: Bins, shown: np.ndarray, *, spread: bool = False) -> dict[str, np.ndarray]:
    """What the browser draws of bins: values, and of bins of many tokens the token of the highest.

    spread: of bins of many tokens their lowest and their mean too.

    float32: NaN where nothing is defined, and infinite where all that is defined is so, of whichever sign.
    """

    def sent(values: np.ndarray) -> np.ndarray:
        return np.where((found.finite == 0) & (found.infinite > 0), np.inf, values).astype(np.float32).ravel()

    result = {f"{prefix}/value": sent(shown)}
    if width(found) > 1:
        result |= {f"{prefix}/low": sent(found.min), f"{prefix}/mean": sent(found.mean)} if spread else {}
        result[f"{prefix}/peak"] = found.peak.astype(np.uint32).ravel()  # -1 becomes the largest: no token's number
    return result


def highest(ds: xr.Dataset, signal: str, layer: int | None, start: int = 0, read: Read = bins) -> float:
    """The highest finite value from token `start` on; NaN where there is none."""
    whole = read(ds, signal, layer=layer, wanted=BINS)
    later = whole.start >= start
    values = [whole.max[later]]
    first = int(whole.start[later][0]) if later.any() else ds.sizes["token"]
    if start < first:  # the rest of the bin that begins before `start`
        values.append(column(ds, signal, layer, (start, first)))
    every = np.concatenate(values)
    every = every[np.isfinite(every)]
    return float(every.max()) if len(every) else float("nan")


def typical(ds: xr.Dataset, signal: str, size: int, how: str, read: Read = bins) -> tuple[np.ndarray, bool]:
    """What bins of `size` tokens hold all over the text, (layers, n) or (1, n), and whether that is a sample.

    how: "max" or "mean". The settling tokens are left out. Of a text of more than SAMPLE tokens, bins finer than the
    stored ones are those of four stretches, spread evenly.
    """
    total = ds.sizes["token"]
    sampled = total > SAMPLE and size < STORED
    firsts = np.linspace(0, total // BLOCK - 1, SAMPLE // BLOCK).astype(int) * BLOCK if sampled else [0]
    parts = []
    for first in firsts:
        span = (int(first), int(first) + BLOCK) if sampled else (0, total)
        found = read(ds, signal, layer="each", span=span, wanted=-(-(span[1] - span[0]) // size))
        parts.append(getattr(found, how)[:, found.start >= settling(ds)])
    return np.concatenate(parts, 1), sampled


def shown_words(found: Bins, total: int, each: str, kept: int) -> str:
    """How much of the text is drawn: "showing 1,954 of 1,000,000 tokens, lowest and highest per bin of 1,024 tokens".

    each: what is kept of a bin, `kept` values of it; kept 0: a mean, which is no token's value.
    """
    low, high = extent(found)
    place = "" if (low, high) == (0, total) else f"tokens {low + 1:,} to {high:,} of {total:,}, "
    left_out = int(np.atleast_2d(found.infinite).sum())
    named = f" · {left_out:,} infinite values are not drawn" if left_out else ""
    size = width(found)
    if size == 1:
        return f"{place}showing {'all ' if high - low > 1 else ''}{count(high - low)}{named}"
    drawn = int(np.minimum(np.atleast_2d(found.finite).max(0), kept).sum())
    some = f"showing {drawn:,} of {count(high - low)}, " if kept else f"from all {count(high - low)}, "
    return f"{place}{some}{each} per bin of {size:,} tokens{named}"
