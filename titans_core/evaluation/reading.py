"""Rows of tokens through a model, slab by slab: probabilities of marked tokens, and greedy decoding from a fork."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from titans_core.model import Model, ModelState
from titans_core.settings import Settings


class Rows(NamedTuple):
    """ids: int32 (B, T), filled up at the right; wanted: bool (B, T), the answer tokens; starts: int64 (B,), the first
    of each row; fork: the place before the first of all, where decoding begins."""

    ids: np.ndarray
    wanted: np.ndarray
    starts: np.ndarray
    fork: int


class Marks(NamedTuple):
    """Of every answer token: its row, whether it was the most likely one, its probability (0 where that is NaN)."""

    row: np.ndarray
    right: np.ndarray
    p: np.ndarray


class Greedy(NamedTuple):
    """tokens int32 (B, N) that greedy decoding gave after each row's start, and their probabilities (B, N)."""

    tokens: np.ndarray
    p: np.ndarray


def read(
    model: Model,
    rows: Rows,
    slab: int,
    settings: Settings,
    progress: Callable[[int], None],
    state: ModelState | None = None,
) -> tuple[Marks, ModelState | None]:
    """Only the logits before answer tokens are looked at. Also returned is the state after `fork` tokens.

    slab: tokens of each row in one forward. state: before the first token.
    """
    last = int(np.flatnonzero(rows.wanted.any(0))[-1])  # nothing after the last answer token matters
    cuts = sorted({*range(0, last, slab), rows.fork, last})
    forked = None
    found: list[Marks] = []
    for start, stop in pairwise(cuts):
        forked = state if start == rows.fork else forked
        logits, state, _ = model(_on(model, rows.ids[:, start:stop]), state, settings=settings)
        row, column = np.nonzero(rows.wanted[:, start + 1 : stop + 1])
        if len(row):
            chosen = logits[_on(model, row), _on(model, column)]
            target = _on(model, rows.ids[row, start + 1 + column])
            p = chosen.double().softmax(-1).gather(1, target[:, None])[:, 0].nan_to_num(0.0)
            right = (chosen.argmax(-1) == target) & (p > 0)  # argmax would take NaN for the largest
            found.append(Marks(row, right.cpu().numpy(), p.cpu().numpy()))
        del logits
        progress((stop - start) * len(rows.ids))
    return Marks(*(np.concatenate(parts) for parts in zip(*found, strict=True))), forked


def decode(model: Model, rows: Rows, state: ModelState | None, count: int, settings: Settings) -> Greedy:
    """`count` greedy tokens of each row from the state at `fork`; until its start a row is told its own tokens."""
    every = np.arange(len(rows.ids))
    tokens, p = np.zeros((len(every), count), np.int32), np.zeros((len(every), count))
    column = rows.ids[:, rows.fork]
    for at in range(rows.fork, int(rows.starts.max()) + count - 1):
        logits, state, _ = model(_on(model, column[:, None]), state, settings=settings)
        best = logits[:, -1].double().softmax(-1).max(-1)
        step = at + 1 - rows.starts  # which token of its answer each row gets now; below 0: none yet
        now = (step >= 0) & (step < count)
        tokens[every[now], step[now]] = best.indices.cpu().numpy()[now]
        p[every[now], step[now]] = best.values.nan_to_num(0.0).cpu().numpy()[now]
        given = rows.ids[:, min(at + 1, rows.ids.shape[1] - 1)]
        column = np.where(now, tokens[every, step.clip(0, count - 1)], given)
    return Greedy(tokens, p)


def _on(model: Model, values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.int64)).to(model.device)
