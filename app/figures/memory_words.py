"""The path and the spectra of one layer's memory in words and as a table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from app.figures.lineage import percent
from app.figures.memory import empty_start, head_name
from app.figures.memory_path import measured, moment_words
from app.theme import number
from titans_core.moments import effective_rank, path


def summary(found: xr.Dataset, layer: int) -> str:
    """The figure in words, for people who cannot see it."""
    way = path(found["gram"].values[layer])
    length = float(np.nansum(found["moved"].values[layer]))
    far = float(found["drift"].values[layer, -1])
    singular = found["singular"].values[layer, :, -1]
    ends = ", ".join(f"{head_name(k, len(singular))} {number(float(own[0]))}" for k, own in enumerate(singular))
    first, second = map(percent, way.shares)
    return (
        f"The way of layer {layer + 1}'s memory through the space of its weights, {found.sizes['moment']} moments. "
        f"The two directions drawn hold {first} and {second} of the variance. "
        f"It ends {number(far)} from its start, after a way of {number(length)} from moment to moment. "
        f"Largest singular values at the end: {ends}."
    )


def names(found: xr.Dataset) -> list[str]:
    """What each moment is called."""
    return [moment_words(int(tokens)) for tokens in found["tokens"].values]


def facts(found: xr.Dataset, layer: int) -> list[str]:
    """Of each moment of a layer its numbers, as far as they were recorded."""
    size, drift, moved = (found[name].values[layer] for name in ("size", "drift", "moved"))
    singular = found["singular"].values[layer]
    ranks, called = effective_rank(singular), names(found)
    listed, heads = [], "the heads" if len(singular) > 1 else "the head"
    for moment in range(len(size)):
        parts = [f"size {number(float(size[moment]))}"]
        if not empty_start(found):
            parts.append(f"{number(float(drift[moment]))} from the start")
        if moment:
            parts.append(f"{number(float(moved[moment]))} since the moment before")
        taken = measured(singular, moment)
        rank = ", ".join(f"{own:.1f}" if np.isfinite(own) else "–" for own in ranks[:, taken])
        parts.append(f"effective rank of {heads} {rank}" + (f", taken {called[taken]}" if taken != moment else ""))
        listed.append(" · ".join(parts))
    return listed


def table(found: xr.Dataset, layer: int) -> tuple[str, pd.DataFrame]:
    """One row a moment: where it is on the path, and the largest singular values where they were taken."""
    way = path(found["gram"].values[layer])
    singular = found["singular"].values[layer]
    columns: dict[str, Any] = {"after token": found["tokens"].values, "first direction": way.places[:, 0]}
    columns["second direction"] = way.places[:, 1]
    for head, values in enumerate(singular):
        for rank in range(min(5, values.shape[-1])):
            columns[f"{head_name(head, len(singular))} σ{rank + 1}"] = values[:, rank]
    return "directions in the unit of weights, and the five largest singular values of each head", pd.DataFrame(columns)
