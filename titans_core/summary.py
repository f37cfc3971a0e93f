"""What `titans trace` says of a run. What is printed counts from 1, as the page does; options and Python from 0."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import xarray as xr

from titans_core.documents import of_trace
from titans_core.passages import inside_segments, passages
from titans_core.signals import sum_layers

COUNTED = "tokens count from 1, as on the page; --set counts from 0"


def summary(dataset: xr.Dataset, store: Path, count: int = 5) -> str:
    """What a person wants to know of a trace, in a few lines: facts, and the passages that moved the memory most."""
    return "\n".join([*_facts(dataset, store), *_most_surprising(dataset, count)])


def _facts(dataset: xr.Dataset, store: Path) -> Iterator[str]:
    attrs = dataset.attrs
    tokens = dataset.sizes["token"]
    known = int(np.flatnonzero(np.isfinite(dataset["nll"].values)).max(initial=0))  # the last token that was read
    read = attrs["text"][: int(dataset["end"].values[known])] if "diverged" in attrs else attrs["text"]
    bits = float(np.nansum(dataset["nll"].values)) / max(1, len(read.encode()))
    yield (
        f"{attrs['checkpoint']}: {tokens:,} token{'s' * (tokens != 1)} in {attrs['seconds']:.2f} s "
        f"on {attrs['device']}, {bits:.2f} bits per byte -> {store}"
    )
    if "diverged" in attrs:
        lost = json.loads(attrs["diverged"])
        where = f"token {lost['token'] + 1:,}, layer {lost['layer'] + 1} first"
        yield f"  diverged at {where}: nothing from there on is known (both count from 1)"


def _most_surprising(dataset: xr.Dataset, count: int) -> Iterator[str]:
    attrs = dataset.attrs
    if "surprise" not in dataset:
        yield "  a model without memory: surprisal and entropy only"
        return
    surprise = dataset["surprise"].values
    if "head" in dataset["surprise"].dims:
        surprise = np.sqrt(np.square(surprise).sum(1))
    window = int(json.loads(attrs["config"])["window"])
    skip = window if dataset.sizes["token"] >= 4 * window else 0
    segment = window if attrs["variant"] == "mac" else None
    values = inside_segments(sum_layers("surprise", surprise), segment)
    spans = dataset["start"].values, dataset["end"].values
    listed = passages(values, *spans, attrs["text"], count, skip)
    if not listed:
        left_out = f" after the first {skip} tokens, which are left out" * bool(skip)
        yield f"  no most surprising passages: no surprise is known{left_out}"
        return
    left_out = f"; the first {skip} left out" * bool(skip) + "; segment starts left out" * bool(segment)
    yield (f"  most surprising passages (norm of the gradient over all layers, mean of 6 tokens{left_out}; {COUNTED}):")
    document = of_trace(attrs)
    for found in listed:
        at = slice(found.token, found.token + 1)
        stood = f"  ({document.places(spans[0][at], spans[1][at])[0]})" if document else ""
        yield f"  {found.value:8.2f}  token {found.token + 1:>6,}  …{found.before}[{found.core}]{found.after}…{stood}"
