"""The memory in chunk-parallel form: equal to the token recurrence of eqs. 13-18, with only matrix products.

No weight matrix per token is ever built (DESIGN and docs/math.md give the derivation). For one memory layer with input
a_i and backpropagated error g_i, the gradient of token i is the outer product a_i^T g_i, so inside a chunk

    x_t W_t = beta_t (x_t W_0) + c_t (x_t S_0) - sum_i (x_t . a_i) A[t, i] theta_i g_i

Shapes: B batch, H heads, T tokens, N chunks, C tokens per chunk, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor

from titans_core.memory import chunks, differentiable, linear, triton_deep
from titans_core.memory.types import MemoryScan, Watch, Weights, check_inputs, learns, zeros_like


def memory_scan(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    theta: Tensor,
    eta: Tensor,
    alpha: Tensor,
    weights: Weights,
    momentum: Weights | None = None,
    *,
    chunk: int,
    signals: bool = False,
    step_cap: float | None = None,
    watch: Watch | None = None,
) -> MemoryScan:
    """Write T tokens into the memory and read it after each: y_t = M_t(q_t) (eq. 13-18).

    q, k, v: (B, H, T, D). theta (step), eta (carry), alpha (forget): (B, H, T), applied as given.
    weights: one (B, H, D_in, D_out) per memory layer; momentum: same shapes, zero if None. Gradients are taken at the
    weights before the first token of each chunk; chunk=1 is the paper's token recurrence. Chunks are counted from the
    first token of the call.
    step_cap: if given, theta_t <= step_cap * 2 (1 - eta_t) / (C * curvature_t), each token's share of the
    largest stable step of a chunk; signals["theta"] is then what was applied.
    signals: also return the norms of docs/math.md per token, name -> (B, H, T).
    watch: told the weights before the first token, now and then between (at the least where a chunk begins, or every
    32 tokens of the token recurrence) and after the last.
    Raises ConfigError when shapes do not fit.
    """
    check_inputs(q, k, v, theta, eta, alpha, weights, momentum, chunk)
    state = (tuple(weights), zeros_like(weights) if momentum is None else tuple(momentum))
    length = q.shape[2]
    exact = len(weights) == 1 and chunk == 1 and step_cap is None
    chunk = linear.BLOCK if exact else chunk  # of one layer the token recurrence itself is parallel
    whole = length - length % chunk
    share = None if step_cap is None else step_cap / chunk  # of a whole chunk, also in a last short one
    reads: list[Tensor] = []
    records: list[dict[str, Tensor]] = []
    for start, stop, size in ((0, whole, chunk), (whole, length, length - whole)):
        if start == stop:
            continue
        parts = [x[:, :, start:stop].unflatten(2, (-1, size)) for x in (q, k, v, theta, eta, alpha)]
        if exact:
            read, w, s, record = linear.linear_scan(parts, state[0][0], state[1][0], signals, _after(start, watch))
            reads.append(read)
            state = ((w,), (s,))
        else:
            part_reads, state, record = _scan_chunks(parts, *state, signals, share, _after(start, watch))
            reads += part_reads
        if record is not None:
            records.append(record)
    if watch is not None:
        watch(length, state[0])
    merged = {name: torch.cat([r[name] for r in records], 2) for name in records[0]} if signals else None
    return MemoryScan(torch.cat(reads, 2) if len(reads) > 1 else reads[0], *state, merged)


def _after(tokens: int, watch: Watch | None) -> Watch | None:
    """`watch`, for a part of the call that begins after so many tokens."""
    return None if watch is None else lambda done, weights: watch(tokens + done, weights)


def _scan_chunks(
    parts: list[Tensor],
    weights: Weights,
    momentum: Weights,
    signals: bool,
    share: float | None,
    watch: Watch | None,
) -> tuple[list[Tensor], tuple[Weights, Weights], dict[str, Tensor] | None]:
    """N chunks of equal size, one after the other. parts: q, k, v, theta, eta, alpha as (B, H, N, C, ...)."""
    if triton_deep.usable(parts, weights, momentum, signals):
        return triton_deep.scan_chunks(parts, weights, momentum, signals, share, watch)
    form = differentiable.scan_chunks if learns(*parts, *weights, *momentum) else chunks.scan_chunks
    reads, state, named = form(parts, weights, momentum, signals, share, watch)
    if named is not None and share is None:
        del named["theta"]
    return reads, state, named
