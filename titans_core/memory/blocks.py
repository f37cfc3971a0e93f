"""The blocks of `linear.py` where no gradient is wanted: few and large products in buffers that stay in the cache.

[W_0; S_0] of a block stand below each other, so that r = [beta_{t-1} k_t, c_{t-1} k_t] [W_0; S_0] - v_t is one product,
and so are reads; the block's end is written where the next one begins. What has to wait for the block before is r,
z = 2 theta e and the next state alone: reads and signals follow for a whole group of blocks at once.
Shapes: R = B*H rows, G blocks of a group, N blocks, C tokens per block, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor

from titans_core.memory.decay import FADED, Decays, without_traces
from titans_core.memory.prepared import Prepared, prepare
from titans_core.memory.signals import Chunks, closed_form
from titans_core.memory.types import Watch

GROUP = 32  # blocks: more leave the cache, fewer make products small


@torch.no_grad()
def linear_scan(
    parts: list[Tensor], weights: Tensor, momentum: Tensor, signals: bool, watch: Watch | None
) -> tuple[Tensor, Tensor, Tensor, dict[str, Tensor] | None]:
    """`linear.linear_scan` without gradients."""
    lead, count = parts[0].shape[:2], parts[0].shape[2]
    q, k, v, *gates = (x.flatten(0, 1).transpose(0, 1).contiguous() for x in parts)
    rows, size, width = k.shape[1:]
    group = min(GROUP, count)
    states = v.new_empty(group + 1, rows, 2 * width, v.shape[-1])
    states[0] = torch.cat((weights, momentum), -2).flatten(0, 1)
    reads, records = torch.empty_like(v), []
    for start in range(0, count, group):
        here = slice(start, min(start + group, count))
        some = [x[here] for x in (q, k, v, *gates)]
        decays, prepared, inverse, alike = prepare(*some)
        right, z = _write(prepared, states)
        _read(prepared, states, z, reads[here])
        begun = states[: len(z)]
        if watch is not None:
            for block, state in enumerate(begun, start):
                watch(block * size, (state[:, :width].clone().unflatten(0, lead),))
        if signals:
            slope = 2 * torch.matmul(inverse, right)
            records.append(_signals(begun, some, slope, alike, decays))
        states[0] = states[len(z)]
        without_traces(states[0, :, width:], FADED)
    named = {x: _ordered(torch.cat([r[x] for r in records]), lead) for x in records[0]} if signals else None
    last = states[0].clone().unflatten(0, lead)
    return _ordered(reads, lead), last[..., :width, :], last[..., width:, :], named


def _ordered(x: Tensor, lead: torch.Size) -> Tensor:
    """(N, R, C, ...) -> (B, H, N*C, ...)."""
    return x.transpose(0, 1).flatten(1, 2).unflatten(0, lead)


def _both(x: Tensor, of_weights: Tensor, of_momentum: Tensor) -> Tensor:
    """x for W_0 and x for S_0, beside each other: (..., C, D) and twice (..., C) -> (..., C, 2 D)."""
    return (x.unsqueeze(-2) * torch.stack((of_weights, of_momentum), -1).unsqueeze(-1)).flatten(-2)


def _write(p: Prepared, states: Tensor) -> tuple[Tensor, Tensor]:
    """Block after block; leaves the states at their starts, and after the last. Returns r and z."""
    width = p.k.shape[-1]
    right, z = torch.empty_like(p.v), torch.empty_like(p.v)
    kept = torch.stack((p.keep[..., -1], p.carry), -1)[..., None, None]
    columns = (p.v, _both(p.k, p.keep_before, p.carried_before), p.solve, kept, p.carried[..., -1, None, None])
    into = _both(p.k, p.into_weights, p.into_momentum).mT
    pairs = states.unflatten(2, (2, width))
    views = (x.unbind(0) for x in (*columns, into, right, z, states, pairs, pairs[:, :, 1]))
    after = (x.unbind(0)[1:] for x in (states, pairs, pairs[:, :, 0]))
    for v, left, solve, keep, carried, write, r, z_n, state, pair, s, new, new_pair, new_w in zip(
        *views, *after, strict=False
    ):
        torch.baddbmm(v, left, state, beta=-1, out=r)
        torch.bmm(solve, r, out=z_n)
        torch.mul(pair, keep, out=new_pair)
        new_w.addcmul_(s, carried)
        new.baddbmm_(write, z_n, alpha=-1)
    return right, z


def _read(p: Prepared, states: Tensor, z: Tensor, out: Tensor) -> None:
    """Reads of a group's blocks, into `out` (G, R, C, D)."""
    left = _both(p.q, p.keep, p.carried)
    torch.bmm(left.flatten(0, 1), states[: len(z)].flatten(0, 1), out=out.flatten(0, 1))
    out.flatten(0, 1).baddbmm_(p.attend.flatten(0, 1), z.flatten(0, 1), alpha=-1)


def _signals(states: Tensor, some: list[Tensor], slope: Tensor, alike: Tensor, decays: Decays) -> dict[str, Tensor]:
    _, k, _, theta, eta, alpha = some
    width = k.shape[-1]
    w, s = states[:, :, :width], states[:, :, width:]
    pair = states.unflatten(2, (2, width)).flatten(-2)
    found = closed_form(
        Chunks((w,), (s,), (k,), (slope,), theta, eta, alpha, (k @ w,), (k @ s,), (alike,), (pair,)), decays
    )
    del found["theta"]
    return found
