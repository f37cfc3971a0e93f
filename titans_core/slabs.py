"""A run in slabs of tokens: memory does not grow with the text, and a cancel is quick."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from titans_core.divergence import Lost, lowest, search
from titans_core.model import Model, ModelState
from titans_core.moments.collect import Collector
from titans_core.settings import Settings

SLAB = 512  # tokens computed at once, a multiple of every unit


class Slab(NamedTuple):
    """What a model makes of the tokens of `span`."""

    span: tuple[int, int]
    logits: Tensor  # (t, V)
    before: Tensor | None  # (V,): the prediction of the slab's first token
    state: ModelState
    signals: dict[str, Tensor]  # name -> (layers, H, t)
    lost: Lost | None = None  # where the memory stopped being finite, if it did so in this slab


def stream(
    model: Model, ids: np.ndarray, settings: Settings, state: ModelState | None, collector: Collector
) -> Iterator[Slab]:
    """Slab after slab. Once a memory is not finite nothing more is computed: the values of the rest are NaN."""
    tokens = torch.from_numpy(ids.astype(np.int64)).to(model.device)[None]
    slab: Slab | None = None
    is_lost = False
    for start in range(0, len(ids), SLAB):
        span = start, min(len(ids), start + SLAB)
        if slab is not None and is_lost:
            slab = _undefined(slab._replace(before=slab.logits[-1], lost=None), span)
        else:
            read = partial(_read, model, tokens, settings, state)
            with collector.watching(0 if state is None else state.position):
                slab = read(span)
            state = slab.state
            layer = lowest(slab.signals)
            if layer is not None:
                slab, is_lost = _until_lost(read, slab, layer), True
        yield slab


def _read(model: Model, tokens: Tensor, settings: Settings, state: ModelState | None, span: tuple[int, int]) -> Slab:
    before = None if state is None or state.logits is None else state.logits[0]
    with torch.inference_mode():
        logits, state, signals = model(tokens[:, slice(*span)], state, settings=settings, signals=True)
    assert signals is not None  # noqa: S101 (asked for)
    if signals:
        signals["momentary"] = signals["theta"] * signals["surprise"]
    return Slab(span, logits[0], before, state, {name: value[:, 0] for name, value in signals.items()})


def _until_lost(read: Callable[[tuple[int, int]], Slab], slab: Slab, layer: int) -> Slab:
    """The slab up to where the memory of `layer`, or of one below, stops being finite; undefined from there on."""
    start, stop = slab.span
    lost = search(lambda count: read((start, start + count)).signals, stop - start, layer)
    slab = _undefined(slab, slab.span)
    if lost.token:
        finite = read((start, start + lost.token))
        slab.logits[: lost.token] = finite.logits
        for name, values in finite.signals.items():
            slab.signals[name][..., : lost.token] = values
    return slab._replace(lost=lost._replace(token=start + lost.token))


def _undefined(slab: Slab, span: tuple[int, int]) -> Slab:
    """A slab of NaN, of as many tokens as `span`."""
    size = span[1] - span[0]
    signals = {name: torch.full_like(value[..., :size], math.nan) for name, value in slab.signals.items()}
    return slab._replace(span=span, logits=torch.full_like(slab.logits[:size], math.nan), signals=signals)
