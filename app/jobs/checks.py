"""Whether a trace store from elsewhere is whole, and is what it says. `open_trace` has judged its text and tokens."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from titans_core import pyramid
from titans_core.assets import checkpoint_names
from titans_core.config import VARIANTS
from titans_core.errors import StoreError, TitansError
from titans_core.moments import moments
from titans_core.record import open_trace
from titans_core.signals import ABSENT, BY_HEAD, FOREIGN, OUTPUTS, SIGNALS

BLOCK = 16_384  # tokens, as stores are chunked
_ATTRIBUTES: dict[str, type | tuple[type, ...]] = {
    "checkpoint": str,
    "variant": str,
    "parameters": int,
    "config": str,
    "settings": str,
    "chunk": int,
    "seconds": (int, float),
    "device": str,
    "text_sha256": str,
}
GRANULARITIES = ("token", "chunk", "segment")
LONGEST = 500  # characters that a foreign trace says of a signal
_MAY_BE_BLANK = ("alignment",)  # undefined while nothing is carried
_BAD_DATA = (OSError, KeyError, ValueError, TypeError, RuntimeError, IndexError, AttributeError)


def open_checked(folder: Path, name: str) -> xr.Dataset:
    """The trace in `folder`, every value of which was read. Raises StoreError that says what is wrong with `name`."""
    try:
        ds = open_trace(folder)
        for problem in (_attributes(ds), _tokens(ds), *(_variable(ds, str(v)) for v in ds.data_vars)):
            if problem:
                raise StoreError(f"the trace store {name} {problem}")
        _levels(ds)
        moments(ds)
    except TitansError as error:
        raise StoreError(str(error).replace(folder.name, name)) from error
    except _BAD_DATA as error:
        raise StoreError(f"the trace store {name} is damaged or not a trace: {error}") from error
    return ds


def _attributes(ds: xr.Dataset) -> str:
    """What is wrong with what was recorded of the run, or ""."""
    began = {"memory_from": str} if "memory_from" in ds.attrs else {}
    foreign = {FOREIGN: str, ABSENT: list} if FOREIGN in ds.attrs else {}
    for name, kind in (_ATTRIBUTES | began | foreign).items():
        if name not in ds.attrs:
            return f"is not a trace of this version: it lacks the attribute {name!r}"
        if not isinstance(ds.attrs[name], kind):
            return f"is not a trace of this version: its attribute {name!r} is {str(ds.attrs[name])[:40]!r}"
    if hashlib.sha256(ds.attrs["text"].encode()).hexdigest() != ds.attrs["text_sha256"]:
        return "is damaged: its text is not the one that was traced"
    config, settings = (json.loads(ds.attrs[name]) for name in ("config", "settings"))
    window = config.get("window") if isinstance(config, dict) else None
    attends = isinstance(window, int) and window >= 1
    if not (attends or (foreign and isinstance(config, dict) and window is None)) or not isinstance(settings, dict):
        return "is not a trace of this version: its config or its settings are not usable"
    words = (ds.attrs["checkpoint"], ds.attrs["variant"], ds.attrs["device"], ds.attrs.get(FOREIGN, "none"))
    if not all(0 < len(word) <= 100 and word.isprintable() for word in words):
        return "has a checkpoint, variant or device whose name cannot be shown"
    return _absent(ds) if foreign else ""


def _absent(ds: xr.Dataset) -> str:
    """What is wrong with the trace of another library's model, beside what can be with any; or ""."""
    known = {*SIGNALS, *BY_HEAD, *OUTPUTS} - {"id"}
    if ds.attrs["checkpoint"] in checkpoint_names() or ds.attrs["variant"] in VARIANTS:
        return "is of another library's model that has the name of one of ours"
    if known - set(map(str, ds.data_vars)) != {name for name in ds.attrs[ABSENT] if isinstance(name, str)}:
        return "is damaged: the signals that it lacks are not those that it says it lacks"
    if len(ds.data_vars) < 2:
        return "has no signal"
    if "head" in ds.dims:
        return "is of another library's model and keeps heads apart"
    labels = [ds[name].attrs for name in ds.data_vars]
    told = [str(label.get(key, "")) for label in labels for key in ("source", "differs")]
    if not all(label.get("granularity", "token") in GRANULARITIES for label in labels):
        return "is not a trace of this version: a granularity of its signals is none"
    fits = all(len(words) <= LONGEST and words.isprintable() for words in told)
    return "" if fits else "says of its signals what cannot be shown"


def _tokens(ds: xr.Dataset) -> str:
    start, end = ds["start"].values, ds["end"].values
    whole = all(np.issubdtype(values.dtype, np.integer) for values in (start, end, ds["id"].values))
    if not len(start) or not whole:
        return "has no tokens"
    if start.min() < 0 or (end < start).any() or (np.diff(start) < 0).any() or end.max() > len(ds.attrs["text"]):
        return "is damaged: its tokens are not in the order of its text"
    if not all(isinstance(piece, str) for piece in ds["piece"].values):
        return "is damaged: its vocabulary holds something else than text"
    if "nll" not in ds and FOREIGN not in ds.attrs:
        return "lacks the variable nll, which every trace has"
    return ""


def _variable(ds: xr.Dataset, name: str) -> str:
    """What is wrong with one variable, all of which is read block by block; or ""."""
    variable, total = ds[name].variable, ds.sizes["token"]
    allowed = {("token",)} if name in OUTPUTS else {("layer", "token"), ("layer", "head", "token")}
    if variable.dims not in allowed or (name != "id" and variable.dtype != np.float32):
        return f"is not a trace of this version: {name} is {variable.dtype} over {variable.dims}"
    for low in range(0, total, BLOCK):
        values = variable.isel(token=slice(low, low + BLOCK)).values
        known = ~np.isnan(values).all(-1) if name != "id" else np.array(True)
        high = min(total, low + BLOCK)
        if not known.all() and total > 1 and not _may_be_blank(ds, name, low, high):
            return f"is damaged or of a run that broke down: {name} has no value in the tokens {low + 1:,} to {high:,}"
    return ""


def _may_be_blank(ds: xr.Dataset, name: str, low: int, high: int) -> bool:
    """Whether a variable may have no value in the tokens low..high of a block."""
    if name in _MAY_BE_BLANK or name not in (*SIGNALS, "nll", "entropy"):
        return True
    return FOREIGN in ds.attrs and low > 0 and high - low < BLOCK  # the end of a text may fill no chunk of theirs


def _levels(ds: xr.Dataset) -> None:
    """Read all stored bins of a long trace: each call reads one level. Raises StoreError."""
    total = ds.sizes["token"]
    for name in map(str, ds.data_vars):
        stored: Any = ds[name].variable.encoding.get("pyramid")
        for size in stored.sizes if stored is not None else ():
            pyramid.bins(ds, name, layer="each", wanted=-(-total // size))
            if "layer" in ds[name].dims:
                pyramid.bins(ds, name, wanted=-(-total // size))
