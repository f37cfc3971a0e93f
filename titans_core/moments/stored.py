"""Moments beside a trace: in the group `moments` of its store, or with the Dataset in memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import xarray as xr

from titans_core.errors import StoreError
from titans_core.moments.measure import VARIABLES, dataset
from titans_core.storage import READ_ERRORS, create

if TYPE_CHECKING:
    import zarr

GROUP = "moments"
MOST = 64


class _Stored(NamedTuple):
    """Where the moments of a reopened trace may be."""

    store: Path
    tokens: int


def attach(trace: xr.Dataset, found: xr.Dataset | Path | None) -> None:
    """Tell a trace of its moments, or of the store that may have them. Part of its encoding, as its pyramid is."""
    if found is not None:
        own = found if isinstance(found, xr.Dataset) else _Stored(found.absolute(), trace.sizes["token"])
        trace.encoding[GROUP] = own


def moments(trace: xr.Dataset) -> xr.Dataset | None:
    """The memory at moments of the run, variables as in docs/math.md; None of a run that has none.

    Runs of a model without memory, runs that diverged midway and traces of an older version have none, nor has a part
    that was taken of a trace.
    Raises StoreError where the stored ones are damaged.
    """
    found: xr.Dataset | _Stored | None = trace.encoding.get(GROUP)
    if isinstance(found, _Stored):
        found = trace.encoding[GROUP] = _read(found)
    return found if found is None or found["tokens"].values[-1] == trace.sizes.get("token") else None


def write(group: zarr.Group, found: xr.Dataset) -> None:
    """Store moments in the group of a trace: what the rest follows from."""
    own = group.create_group(GROUP)
    for name, (dims, *_) in VARIABLES.items():
        values = found[name].values
        labels = {str(key): str(value) for key, value in found[name].attrs.items()}
        array = create(own, name, values.shape, values.dtype, dims, chunk=values.shape[-1], labels=labels)
        array[...] = values


def _read(stored: _Stored) -> xr.Dataset | None:
    if not (stored.store / GROUP).exists():
        return None
    broken = f"the trace store {stored.store.name} is damaged: {GROUP}"
    try:
        found = xr.open_zarr(stored.store, group=GROUP, chunks=None, consolidated=False).load()
        problem = _problem(found, stored.tokens)
    except READ_ERRORS as error:
        raise StoreError(f"{broken} cannot be read: {error}") from error
    if problem:
        raise StoreError(f"{broken} {problem}")
    return dataset(*(found[name].values for name in VARIABLES))


def _problem(found: xr.Dataset, total: int) -> str:
    """What is wrong with stored moments, or ""."""
    if set(map(str, found.variables)) != set(VARIABLES):
        return f"holds {', '.join(sorted(map(str, found.variables)))[:200]}"
    for name, (dims, *_) in VARIABLES.items():
        variable: Any = found[name].variable
        if variable.dims != dims or variable.dtype.kind != ("i" if name == "tokens" else "f"):
            return f"has {name} as {variable.dtype} over {variable.dims}"
    tokens = found["tokens"].values
    if not 2 <= len(tokens) <= MOST or found.sizes["other"] != len(tokens):
        return f"has {len(tokens)} moments"
    if (np.diff(tokens) <= 0).any() or tokens[-1] != total:
        return "is of another text: its moments are not in the order of these tokens"
    return ""
