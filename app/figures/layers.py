"""Layer x token: where in the model, and when."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from app import naming
from app.figures import aggregate, scale
from app.figures.aggregate import Read
from app.theme import SIGNALS, number
from titans_core.pyramid import Bins, bins

HOW = {"max": "highest", "mean": "mean"}  # what is drawn of the tokens of a bin

Span = tuple[int, int]
Scaled = Callable[[int, str], scale.Scale]  # `layer_scale` of bins of so many tokens


def drawing(
    traces: Sequence[xr.Dataset],
    signal: str,
    *,
    span: Span | None = None,
    how: str = "max",
    wanted: int = aggregate.BINS,
    read: Read = bins,
    scaled: Scaled | None = None,
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """A block of cells for each run that has the signal layer by layer, all on one scale: facts, and arrays "run/...".

    span: the tokens drawn, None for all. Up to `wanted` tokens are drawn each; more as bins of equal width, by their
    highest value or their mean (`how`), and the axis then covers whole bins. scaled: where the scale is known already.
    """
    shown = layered(traces, signal)
    found = [read(ds, signal, layer="each", span=span, wanted=wanted) for ds in shown]
    known = SIGNALS[signal]
    if not shown:
        words = f"{known.label.lower()} belongs to the whole model, not to a layer"
        return {"runs": [], "note": words, "summary": words, **aggregate.covered(None)}, {}
    limits = (scaled or partial(layer_scale, shown, signal, read=read))(aggregate.width(found[0]), how)
    arrays: dict[str, np.ndarray] = {}
    for run, one in enumerate(found):
        arrays |= aggregate.arrays(str(run), one, getattr(one, how))
    facts = {
        "runs": [
            run | {"layers": [f"L{int(k) + 1}" for k in ds["layer"].values]}
            for run, ds in zip(aggregate.labelled(traces), traces, strict=True)
            if any(ds is one for one in shown)
        ],
        "signal": f"{known.label.lower()} {known.symbol}",
        "how": how,
        "low": limits.low,
        "high": limits.high,
        "signed": known.kind == "cosine",
        "note": f"{known.label.lower()} {known.symbol} · {note(shown[0], signal, found[0], limits, how)}",
        "summary": summary(traces, signal, span, read),
        **aggregate.covered(found[0]),
    }
    return facts, arrays


def layered(traces: Sequence[xr.Dataset], signal: str) -> list[xr.Dataset]:
    """Those that have the signal layer by layer."""
    return [ds for ds in traces if signal in ds.data_vars and "layer" in ds[signal].dims]


def layer_scale(
    traces: Sequence[xr.Dataset], signal: str, size: int = 1, how: str = "max", read: Read = bins
) -> scale.Scale:
    """The scale over every layer of every run that has the signal, for bins of `size` tokens all over the text."""
    having = layered(traces, signal)
    found = [aggregate.typical(ds, signal, size, how, read) for ds in having]
    of = "" if size == 1 else f" of bins of {size:,} tokens"
    if any(sampled for _, sampled in found):
        of += f" of a sample of {aggregate.SAMPLE:,} tokens" if size == 1 else f" in a sample of {aggregate.SAMPLE:,}"
    skip = aggregate.settling(having[0]) if having else 0
    return scale.shared([values for values, _ in found], signal, of=of + (f", after token {skip}" if skip else ""))


def note(ds: xr.Dataset, signal: str, found: Bins, limits: scale.Scale, how: str = "max") -> str:
    """What is drawn, in words: the scale, the granularity and how tokens were put together."""
    shown = aggregate.shown_words(found, ds.sizes["token"], HOW[how], 1 if how == "max" else 0)
    granularity = ds[signal].attrs.get("granularity", "token")
    return f"{number(limits.low)}–{number(limits.high)}, {limits.rule} · per {granularity} · {shown}"


def summary(traces: Sequence[xr.Dataset], signal: str, span: Span | None = None, read: Read = bins) -> str:
    """The figure in one sentence, for people who cannot see it."""
    parts = []
    for ds in layered(traces, signal):
        found = read(ds, signal, layer="each", span=span, wanted=aggregate.BINS)
        weight = np.maximum(found.finite.sum(1), 1)
        means = np.where(found.finite.any(1), np.nansum(found.mean * found.finite, 1) / weight, np.nan)
        listed = ", ".join(f"layer {k + 1} {number(float(m))}" for k, m in enumerate(means))
        parts.append(f"{naming.of(ds)} mean {listed}")
    place = "" if span is None else f", tokens {span[0] + 1:,} to {span[1]:,}"
    return f"{SIGNALS[signal].label} by layer and token{place}. " + "; ".join(parts) + "."
