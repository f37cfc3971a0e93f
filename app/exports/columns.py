"""A trace as a table: one row a token, one column a signal and layer, read a block of tokens at a time."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import xarray as xr

from app import foreign
from app.exports.names import Finished
from app.places import places
from titans_core.signals import BY_HEAD, OUTPUTS, SIGNALS

BLOCK = 4_096  # tokens in memory at once: 60 signal columns of them are 1 MB, as text 3 MB
PLACES = {
    "token": "place of the token, from 1, as on the page; the Dataset of Python counts from 0",
    "piece": "how the token is shown",
    "start": "first character in the text, from 0",
    "end": "one past the last character in the text",
}
STOOD = {"place": "where it stood in the document that the text was taken out of"}


class Column(NamedTuple):
    """One column of a signal. at: its place along the dimensions before `token`."""

    name: str
    signal: str
    at: tuple[int, ...]


def columns(ds: xr.Dataset) -> list[Column]:
    """surprise_layer1, surprise_layer2, ... nll: in the order of the trace. Layers and heads count from 1."""
    listed = []
    for name, variable in ds.data_vars.items():
        dims = [str(dim) for dim in variable.dims if dim != "token"]
        for at in itertools.product(*(range(variable.sizes[dim]) for dim in dims)):
            parts = [str(name), *(f"{dim}{k + 1}" for dim, k in zip(dims, at, strict=True))]
            listed.append(Column("_".join(parts), str(name), at))
    return listed


def about(run: Finished) -> dict[str, str]:
    """Of each column that is no signal what it is. Where a token stood is told where the document is known."""
    return PLACES | (STOOD if run.document is not None else {})


def blocks(run: Finished, size: int = BLOCK) -> Iterator[pa.Table]:
    """All rows, in tables of at most `size`. Values are as stored: float32, ids int32, NaN where undefined."""
    ds, document = run.ds, run.document
    listed = columns(ds)
    total = ds.sizes["token"]
    for low in range(0, total, size):
        part = slice(low, min(total, low + size))
        values = {name: ds[name].variable.isel(token=part).values for name in ds.data_vars}
        data = {
            "token": np.arange(part.start + 1, part.stop + 1, dtype=np.int64),
            "piece": pa.array(ds["piece"].values[part].tolist(), pa.string()),
            "start": ds["start"].values[part].astype(np.int64),
            "end": ds["end"].values[part].astype(np.int64),
            **({} if document is None else {"place": pa.array(places(document, ds, part), pa.string())}),
            **{column.name: np.ascontiguousarray(values[column.signal][column.at]) for column in listed},
        }
        yield pa.table(data)


def meaning(signal: str, ds: xr.Dataset) -> dict[str, str]:
    """The labels of a variable: long_name, units, source, granularity. A store from elsewhere may say what it likes.

    One of a foreign model is believed in what it has otherwise than ours, in source, granularity and "differs".
    """
    labels = (SIGNALS | BY_HEAD | OUTPUTS)[signal].attrs()
    if not foreign.library(ds.attrs):
        return labels
    own = ("source", "granularity", "differs")
    return labels | {name: str(ds[signal].attrs[name]) for name in own if name in ds[signal].attrs}
