"""Runs of other libraries' models: what the page says of them, and what it cannot do with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import xarray as xr

from app.theme import SIGNALS
from titans_core.signals import ABSENT, FOREIGN


def library(attrs: Mapping[Any, Any]) -> str:
    """What read the text of a trace with these attributes: "titans-pytorch 0.5.5"; "" for a model of ours."""
    return str(attrs.get(FOREIGN, ""))


def refusal(ds: xr.Dataset) -> str:
    """Why the text of a run cannot be read anew, as a sentence; "" for a model of ours."""
    name = library(ds.attrs)
    return f"The text was read by a model of {name}, which is not here, so it cannot be read anew." if name else ""


def told(traces: Sequence[xr.Dataset], names: Sequence[str]) -> list[str]:
    """For each foreign run of these: what it is, which signals it lacks, and which hold for several tokens at once.

    names: what the runs are called.
    """
    return [_told(ds, name) for ds, name in zip(traces, names, strict=True) if library(ds.attrs)]


def _told(ds: xr.Dataset, name: str) -> str:
    said = [f"{name} is a model of {library(ds.attrs)}."]
    if lacking := _labels(ds.attrs.get(ABSENT, [])):
        said.append(f"It does not have: {lacking}.")
    for each in ("chunk", "segment"):
        shared = [str(n) for n in ds.data_vars if ds[n].attrs.get("granularity") == each]
        if shared:
            said.append(f"One value for all tokens of a {each}: {_labels(shared)}.")
    return " ".join(said)


def _labels(names: Sequence[str]) -> str:
    """Attention's shares and the gate of MAG are of kinds of model, not of memories: nobody misses them."""
    known = [SIGNALS[name] for name in SIGNALS if name in names]
    return ", ".join(f"{signal.label.lower()} {signal.symbol}" for signal in known if signal.kind != "share")
