"""A run in slabs of tokens: memory does not grow with the text, and a cancel is quick."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from titans_core.divergence import Lost, lowest, search
from titans_core.measured import completed, measured, packed, shapes_of, unpacked
from titans_core.model import Model, ModelState
from titans_core.moments.collect import Collector
from titans_core.replay import Replays
from titans_core.settings import Settings
from titans_core.signals import Arrays

SLAB = 512  # tokens computed at once, a multiple of every unit


class Read(NamedTuple):
    """What a model makes of the tokens of `span`."""

    span: tuple[int, int]
    logits: Tensor  # (t, V)
    before: Tensor | None  # (V,): the prediction of the first of them
    state: ModelState
    signals: dict[str, Tensor]  # name -> (layers, H, t)
    lost: Lost | None = None  # where the memory stopped being finite, if it did so here


class Slab(NamedTuple):
    """What is recorded of the tokens of `span`; `read` is None where they were replayed, never of a run's last."""

    span: tuple[int, int]
    arrays: Arrays
    read: Read | None


def stream(
    model: Model,
    ids: np.ndarray,
    settings: Settings,
    state: ModelState | None,
    collector: Collector,
    *,
    heads: bool = False,
    whole: bool = False,
) -> Generator[Slab]:
    """Slab after slab. Once a memory is not finite nothing more is computed: the values of the rest are NaN.

    heads: keep the heads apart in what is recorded. whole: every slab with its `read`.
    """
    tokens = torch.from_numpy(ids.astype(np.int64)).to(model.device)[None]
    state = model.start() if state is None else state
    slab: Read | None = None
    is_lost, start, total = False, 0, len(ids)
    replays = None if whole else Replays(model, settings, heads, SLAB)
    while start < total:
        if replays is not None and not is_lost:
            count = replays.possible(state, total - start - 1, collector)
            for arrays in replays.read(tokens[:, start : start + count * SLAB], state):
                yield Slab((start, start + SLAB), arrays, None)
                start += SLAB
            state = replays.after
        span = start, min(total, start + SLAB - state.pending.shape[1] % SLAB)  # whole units at once from the next on
        if slab is not None and is_lost:
            slab = _undefined(slab._replace(before=slab.logits[-1], lost=None), span)
        else:
            read = partial(_read, model, tokens, settings, state)
            with collector.watching(state.position):
                slab = read(span)
            layer = lowest(slab.signals)
            if layer is not None:
                slab, is_lost = _until_lost(read, slab, layer), True
            state = slab.state
        yield Slab(span, _arrays(slab, tokens[0, slice(*span)], heads), slab)
        start = span[1]


def _arrays(slab: Read, ids: Tensor, heads: bool) -> Arrays:
    with torch.inference_mode():
        named = measured(slab.signals, slab.logits, slab.before, ids, heads)
        return unpacked(packed(named).cpu(), shapes_of(named))


def _read(model: Model, tokens: Tensor, settings: Settings, state: ModelState, span: tuple[int, int]) -> Read:
    before = None if state.logits is None else state.logits[0]
    with torch.inference_mode():
        logits, state, signals = model(tokens[:, slice(*span)], state, settings=settings, signals=True)
    assert signals is not None  # noqa: S101 (asked for)
    return Read(span, logits[0], before, state, completed(signals))


def _until_lost(read: Callable[[tuple[int, int]], Read], slab: Read, layer: int) -> Read:
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


def _undefined(slab: Read, span: tuple[int, int]) -> Read:
    """A slab of NaN, of as many tokens as `span`."""
    size = span[1] - span[0]
    signals = {name: value.new_full((*value.shape[:-1], size), math.nan) for name, value in slab.signals.items()}
    logits = slab.logits.new_full((size, slab.logits.shape[1]), math.nan)
    return slab._replace(span=span, logits=logits, signals=signals)
