"""A memory of one layer at chunk 1, the paper's token recurrence, computed in blocks of tokens.

Every gradient is taken at the weights just before its token (eqs. 13-14), and yet no token waits for another. Inside a
block that starts at W_0 and S_0 the error e_t = k_t M_{t-1} - v_t is linear in the errors before it,

    e_t = beta_{t-1} (k_t W_0) + c_{t-1} (k_t S_0) - v_t - sum_{i<t} (k_t . k_i) A[t-1, i] 2 theta_i e_i,

a unit lower triangular system (I + L) e = r of the block's size. Its inverse depends on keys and gates alone, so it is
computed for all blocks at once; from block to block only W and S are carried. `Decays` gives beta, c, H, E and A.

Shapes: B batch, H heads, T tokens, N blocks, C tokens per block, D width.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from titans_core.memory import blocks, triton
from titans_core.memory.decay import Decays
from titans_core.memory.prepared import Prepared, prepare
from titans_core.memory.signals import Chunks, closed_form
from titans_core.memory.types import Watch, learns

BLOCK = 32


def linear_scan(
    parts: list[Tensor], weights: Tensor, momentum: Tensor, signals: bool, watch: Watch | None = None
) -> tuple[Tensor, Tensor, Tensor, dict[str, Tensor] | None]:
    """N blocks of equal size. parts: q, k, v (B, H, N, C, D) and theta, eta, alpha (B, H, N, C).

    Returns reads (B, H, N*C, D), weights and momentum after the last token, and the signals if asked for.
    watch: told the weights at the start of every block, tokens counted from the first of `parts`.
    """
    if triton.usable(parts[0], parts[2]) and not (signals and learns(*parts, weights, momentum)):
        return _fused(parts, weights, momentum, signals, watch)
    if not learns(*parts, weights, momentum):
        return blocks.linear_scan(parts, weights, momentum, signals, watch)
    decays, prepared, inverse, alike = prepare(*parts)
    reads, weights, momentum, starts = _blocks(prepared, weights, momentum, states=signals or watch is not None)
    named = None
    if starts is not None:
        _tell(watch, starts.weights, parts[3].shape[3])
        named = _signals(parts, decays, alike, inverse, starts) if signals else None
    return reads.flatten(2, 3), weights, momentum, named


def _fused(
    parts: list[Tensor], weights: Tensor, momentum: Tensor, signals: bool, watch: Watch | None
) -> tuple[Tensor, Tensor, Tensor, dict[str, Tensor] | None]:
    """`linear_scan` by the kernels for CUDA."""
    q, k, v, *gates = parts
    *made, inverse = triton.prepare(q, k, *gates)
    prepared = Prepared(q, k, v, *made)
    states = signals or watch is not None
    reads, weights, momentum, begun = triton.blocks(prepared, weights, momentum, states=states)
    named = triton.signals(prepared, gates, inverse, *begun) if signals and begun is not None else None
    if begun is not None:
        _tell(watch, begun[0], q.shape[3])
    return reads.flatten(2, 3), weights, momentum, named


def _tell(watch: Watch | None, weights: Tensor, size: int) -> None:
    """weights: at the start of every block, (B, H, N, D, D)."""
    if watch is not None:
        for block, start in enumerate(weights.unbind(2)):
            watch(block * size, (start,))


class Starts(NamedTuple):
    """What every block starts with, (B, H, N, ...), and what follows from it alone."""

    weights: Tensor  # (D, D)
    momentum: Tensor
    by_weights: Tensor  # k W_0, (C, D)
    by_momentum: Tensor  # k S_0
    right: Tensor  # r, what the errors would be if their block had not written


def _blocks(
    p: Prepared, weights: Tensor, momentum: Tensor, *, states: bool
) -> tuple[Tensor, Tensor, Tensor, Starts | None]:
    """One block after the other; what they started with where `states` are asked for."""
    reads, starts = [], []
    # unbind, not indexing: the gradient of an index is a whole tensor of zeros per block
    for b in map(Prepared._make, zip(*(x.unbind(2) for x in p), strict=True)):
        by_weights, by_momentum = b.k @ weights, b.k @ momentum
        right = b.keep_before[..., None] * by_weights + b.carried_before[..., None] * by_momentum - b.v
        if states:
            starts.append((weights, momentum, by_weights, by_momentum, right))
        z = b.solve @ right
        old = b.keep[..., None] * (b.q @ weights) + b.carried[..., None] * (b.q @ momentum)
        reads.append(old - b.attend @ z)
        keep, carried, carry = (x[..., None, None] for x in (b.keep[..., -1], b.carried[..., -1], b.carry))
        weights, momentum = (
            keep * weights + carried * momentum - (b.into_weights[..., None] * b.k).mT @ z,
            carry * momentum - (b.into_momentum[..., None] * b.k).mT @ z,
        )
    found = Starts(*(torch.stack(x, 2) for x in zip(*starts, strict=True))) if states else None
    return torch.stack(reads, 2), weights, momentum, found


def errors(
    k: Tensor, v: Tensor, theta: Tensor, eta: Tensor, alpha: Tensor, weights: Tensor, momentum: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """e_t = k_t M_{t-1} - v_t of T tokens, (B, H, T, D), and W and S after the last. Arguments as in `memory_scan`."""
    length = k.shape[2]
    found = []
    for start, stop, size in ((0, length - length % BLOCK, BLOCK), (length - length % BLOCK, length, length % BLOCK)):
        if start == stop:
            continue
        parts = [x[:, :, start:stop].unflatten(2, (-1, size)) for x in (k, v, theta, eta, alpha)]
        _, prepared, inverse, _ = prepare(parts[0], *parts)
        _, weights, momentum, starts = _blocks(prepared, weights, momentum, states=True)
        assert starts is not None  # noqa: S101 (asked for)
        found.append((inverse @ starts.right).flatten(2, 3))
    return torch.cat(found, 2), weights, momentum


def _signals(parts: list[Tensor], decays: Decays, alike: Tensor, inverse: Tensor, starts: Starts) -> dict[str, Tensor]:
    """All blocks at once, from what each started with; nothing of the run itself depends on it."""
    _, k, _, theta, eta, alpha = parts
    slope = 2 * (inverse @ starts.right)
    of_layer = (starts.weights,), (starts.momentum,), (k,), (slope,)
    chunks = Chunks(*of_layer, theta, eta, alpha, (starts.by_weights,), (starts.by_momentum,), (alike,))
    named = closed_form(chunks, decays)
    del named["theta"]
    return {name: values.flatten(2) for name, values in named.items()}
