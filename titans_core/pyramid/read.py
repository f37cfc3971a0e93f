"""Bins of any span of a trace, from the stored pyramid where there is one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import xarray as xr

from titans_core.errors import ConfigError, StoreError
from titans_core.pyramid import layout
from titans_core.pyramid.table import FINITE, STATISTICS, Bins, measure, merge, named
from titans_core.storage import READ_ERRORS

Layer = int | Literal["each"] | None


class _Stored(NamedTuple):
    """Where the bins of a variable of `shape` are. Part of the variable's encoding, which arithmetic drops."""

    store: Path
    name: str
    sizes: list[int]
    shape: tuple[int, ...]


def attach(dataset: xr.Dataset, store: Path, sizes: Any) -> None:
    """Tell the variables of a reopened store where their bins are. Raises StoreError if `sizes` are no levels."""
    if not isinstance(sizes, list) or not all(type(n) is int and n > 1 for n in sizes) or sizes != sorted(sizes):
        raise StoreError(f"the trace store {store.name} is damaged: its pyramid has the levels {str(sizes)[:80]}")
    for name, variable in dataset.variables.items():
        if sizes and name in dataset.data_vars and name != "id" and "head" not in variable.dims:
            variable.encoding[layout.GROUP] = _Stored(store.absolute(), str(name), sizes, variable.shape)


def bins(
    dataset: xr.Dataset, name: str, *, layer: Layer = None, span: tuple[int, int] | None = None, wanted: int = 1_000
) -> Bins:
    """At most wanted + 1 bins of equal width that cover the tokens `span` (all) of a variable, each exact.

    layer: one, None for all put together (`sum_layers`), or "each" for rows (layers, n); those of the output have one
    row. Bins are of one token where the span has no more than `wanted`. They start at multiples of their width, so the
    first and the last may reach beyond the span.
    With a pyramid it reads, per row, at most 128 tokens or 8 stored bins for each bin it returns (or 1,024 bins in all,
    if that is more), and what shares a stored chunk with them. Without one, or where the variable is in memory, it goes
    through all values of the span, 16,384 tokens at a time.
    Raises KeyError for a variable the trace lacks, IndexError for a layer it lacks, ConfigError for a span or a number
    out of range or a variable that keeps its heads, and StoreError where the stored bins are damaged.
    """
    variable = dataset[name].variable
    total = dataset.sizes["token"]
    low, high = (0, total) if span is None else span
    if wanted < 1 or not 0 <= low < high <= total:
        raise ConfigError(
            f"no {wanted} bins of the tokens {low} to {high}; ask for at least 1 of a span in 0 to {total}"
        )
    if "head" in variable.dims:
        raise ConfigError(f"{name} keeps its heads apart; choose one of them, as in dataset.isel(head=0)")
    stored = _stored(dataset, name)
    size, group = _plan(high - low, wanted, stored.sizes if stored else layout.level_sizes(total))
    width = size * group
    start, stop = low // width * width, min(total, -(-high // width) * width)
    if stored is not None and size > 1:
        table = merge(_load(stored, size, _rows(variable, layer), start // size, -(-stop // size)), group)
    else:
        unit = width if size == 1 else layout.FIRST
        table = merge(_measure(_values(name, variable, layer), start, stop, unit), width // unit)
    result = named(table, start, width, total)
    return result if layer == "each" else Bins(*result[:2], *(field[0] for field in result[2:]))


def _plan(tokens: int, wanted: int, sizes: list[int]) -> tuple[int, int]:
    """(tokens of a stored bin, or 1 for the tokens themselves; how many of those make one bin of the answer)."""
    width = -(-tokens // wanted)
    size = max((n for n in sizes if n <= width), default=1)
    return size, -(-width // size)


def _stored(dataset: xr.Dataset, name: str) -> _Stored | None:
    """The stored bins of a variable; None where they may be of other values: selected, or loaded and then changed."""
    variable = dataset[name].variable
    found: _Stored | None = variable.encoding.get(layout.GROUP)
    if found is None or found.name != name or found.shape != variable.shape or getattr(variable, "_in_memory", False):
        return None
    return found if all(_counts_up(dataset.indexes.get(dim)) for dim in variable.dims) else None


def _counts_up(index: Any) -> bool:
    """Whether an index of whole numbers is 0, 1, 2 ..."""
    if index is None or index[0] != 0 or index[-1] != len(index) - 1:
        return False
    return bool(index.is_monotonic_increasing and index.is_unique)


def _rows(variable: xr.Variable, layer: Layer) -> slice:
    """The rows of a pyramid's array that `layer` means."""
    layers = variable.sizes.get("layer")
    if layers is None:
        return slice(0, 1)
    if layer == "each":
        return slice(0, layers)
    row = layers if layer is None else _which(layers, layer)
    return slice(row, row + 1)


def _which(layers: int, layer: int) -> int:
    if not -layers <= layer < layers:
        raise IndexError(f"there is no layer {layer}; choose one of 0 to {layers - 1}")
    return layer % layers


def _load(stored: _Stored, size: int, rows: slice, low: int, high: int) -> np.ndarray:
    """The stored bins low..high of `size` tokens."""
    import zarr  # noqa: PLC0415 (only what touches a store loads it)

    place = f"{layout.GROUP}/{size}/{stored.name}"
    broken = f"the trace store {stored.store.name} is damaged: {place}"
    *layers, tokens = stored.shape
    shape = (sum(layers) + 1, len(STATISTICS), -(-tokens // size))
    try:
        array = zarr.open_array(stored.store / place, mode="r", zarr_format=3)
        if array.shape != shape or array.dtype != np.float64:
            raise StoreError(f"{broken} has shape {array.shape} of {array.dtype}, not {shape} of float64")
        table = np.asarray(array[rows, :, low:high])
    except StoreError:
        raise
    except READ_ERRORS as error:
        raise StoreError(f"{broken} cannot be read: {error}") from error
    if np.isnan(table[:, FINITE:]).any():
        raise StoreError(f"{broken} lacks a stored chunk")  # a missing chunk reads as NaN; a count never is
    return table


def _values(name: str, variable: xr.Variable, layer: Layer) -> Callable[[int, int], np.ndarray]:
    """A function of (start, stop) that reads those tokens: (rows, t)."""

    def read(start: int, stop: int) -> np.ndarray:
        part = variable.isel(token=slice(start, stop))
        if "layer" not in part.dims:
            return np.asarray(part.values)[None]
        if layer is not None and layer != "each":
            return np.asarray(part.isel(layer=_which(part.sizes["layer"], layer)).values)[None]
        values = np.asarray(part.transpose("layer", "token").values)
        return values if layer == "each" else layout.row_of_all(name, values)

    return read


def _measure(values: Callable[[int, int], np.ndarray], start: int, stop: int, width: int) -> np.ndarray:
    """The bins of `width` tokens of start..stop. Blocks begin where stored chunks do, so that none is read twice."""
    tables: list[np.ndarray] = []
    rest, at = np.empty((0, 0)), start
    while at < stop:
        upto = min(stop, (at // layout.BLOCK + 1) * layout.BLOCK)
        part, first = values(at, upto), at - rest.shape[1]
        part = np.concatenate((rest, part), 1) if rest.size else part
        whole = part.shape[1] if upto == stop else part.shape[1] - part.shape[1] % width
        tables.append(measure(part[:, :whole], width, first))
        rest, at = part[:, whole:], upto
    return np.concatenate(tables, -1)
