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


def lacks(traces: Sequence[xr.Dataset], names: Sequence[str]) -> list[str]:
    """A sentence for each foreign run of these: which signals it does not have. names: what the runs are called."""
    return [
        f"{name} is a model of {library(ds.attrs)}. It does not have: {', '.join(_labels(ds)) or 'nothing'}."
        for ds, name in zip(traces, names, strict=True)
        if library(ds.attrs)
    ]


def _labels(ds: xr.Dataset) -> list[str]:
    known = [SIGNALS[name] for name in ds.attrs.get(ABSENT, []) if name in SIGNALS]
    return [f"{signal.label.lower()} {signal.symbol}" for signal in known if signal.kind != "share"]
