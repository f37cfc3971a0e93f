"""The neural memory of the Titans paper, one token at a time, one equation a line: the oracle of the tests.

Slow on purpose and in any dtype. `scan.py` computes the same in parallel inside a chunk. Shapes: B batch, H heads,
T tokens, D width; a memory of depth L is a tuple of L matrices (B, H, D_in, D_out) with SiLU between them.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import silu

from titans_core.memory.types import MemoryScan, Weights, check_inputs, zeros_like


def read(weights: Weights, x: Tensor) -> Tensor:
    """M(x): x (B, H, D) -> (B, H, D_out)."""
    for w in weights[:-1]:
        x = silu(_row(x, w))
    return _row(x, weights[-1])


def loss(weights: Weights, k: Tensor, v: Tensor) -> Tensor:
    """eq. 12, the squared error of recalling v from k: (B, H)."""
    return (read(weights, k) - v).square().sum(-1)


def gradient(weights: Weights, k: Tensor, v: Tensor) -> Weights:
    """The gradient of eq. 12 with respect to every weight, written out by the chain rule."""
    inputs, before = [k], []
    for w in weights:
        before.append(_row(inputs[-1], w))
        inputs.append(silu(before[-1]))
    error = 2 * (before[-1] - v)
    gradients = []
    for layer in reversed(range(len(weights))):
        gradients.append(inputs[layer].unsqueeze(-1) * error.unsqueeze(-2))
        if layer:
            error = _row(error, weights[layer].mT) * silu_slope(before[layer - 1])
    return tuple(reversed(gradients))


def curvature(weights: Weights, k: Tensor) -> Tensor:
    """An upper bound of the largest eigenvalue of the loss's Gauss-Newton matrix at k: (B, H).

    2 sum_l |a_l|^2 |J_l|^2, with a_l the input of layer l and J_l the slope of the output in that layer's
    pre-activations, |J_l| bounded by Frobenius norms.
    """
    inputs, before = [k], []
    for w in weights:
        before.append(_row(inputs[-1], w))
        inputs.append(silu(before[-1]))
    slope = torch.ones_like(k[..., 0])
    total = torch.zeros_like(slope)
    for layer in reversed(range(len(weights))):
        total = total + 2 * inputs[layer].square().sum(-1) * slope
        if layer:
            rows = weights[layer].square().sum(-1)
            slope = slope * (silu_slope(before[layer - 1]).square() * rows).sum(-1)
    return total


def memory_steps(
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
) -> MemoryScan:
    """Same arguments and result as `memory_scan`, sequentially, with every matrix built."""
    check_inputs(q, k, v, theta, eta, alpha, weights, momentum, chunk)
    m = tuple(weights)
    s = zeros_like(m) if momentum is None else tuple(momentum)
    reads, records = [], []
    for t in range(q.shape[2]):
        if t % chunk == 0:
            anchor = m  # t' = t - mod(t, b): gradients of a chunk are taken at its first weights
        kt, vt = k[:, :, t], v[:, :, t]
        step, carry, forget = (_gate(g[:, :, t]) for g in (theta, eta, alpha))
        if step_cap is not None:
            step = torch.minimum(step, step_cap * 2 * (1 - carry) / (chunk * _gate(curvature(anchor, kt))))
        grad = gradient(anchor, kt, vt)  # eq. 16: u_t
        past = tuple(carry * x for x in s)
        push = tuple(-step * g for g in grad)
        s = tuple(p + u for p, u in zip(past, push, strict=True))  # eq. 14, 18: S_t = eta_t S_{t-1} - theta_t u_t
        old = m
        m = tuple((1 - forget) * x + y for x, y in zip(m, s, strict=True))  # eq. 13: M_t = (1 - alpha_t) M_{t-1} + S_t
        reads.append(read(m, q[:, :, t]))  # eq. 15: y_t = M_t(q_t)
        if signals:
            records.append(_signals(anchor, kt, vt, step, forget, grad, past, push, s, old, m))
    stacked = {name: torch.stack([r[name] for r in records], 2) for name in records[0]} if signals else None
    if stacked is not None and step_cap is None:
        del stacked["theta"]
    return MemoryScan(torch.stack(reads, 2), m, s, stacked)


def silu_slope(x: Tensor) -> Tensor:
    """The derivative of SiLU."""
    s = torch.sigmoid(x)
    return s * (1 + x * (1 - s))


def _signals(
    anchor: Weights,
    k: Tensor,
    v: Tensor,
    step: Tensor,
    forget: Tensor,
    grad: Weights,
    past: Weights,
    push: Weights,
    s: Weights,
    old: Weights,
    m: Weights,
) -> dict[str, Tensor]:
    change = tuple(a - b for a, b in zip(m, old, strict=True))
    return {
        "loss": loss(anchor, k, v),
        "surprise": _norm(grad),
        "past_surprise": _norm(past),
        "momentum": _norm(s),
        "alignment": _dot(past, push) / (_norm(past) * _norm(push)),
        "update": _norm(change),
        "forgotten": forget[..., 0, 0] * _norm(old),
        "memory": _norm(m),
        "theta": step[..., 0, 0],
    }


def _row(x: Tensor, w: Tensor) -> Tensor:
    return (x.unsqueeze(-2) @ w).squeeze(-2)


def _gate(g: Tensor) -> Tensor:
    return g[..., None, None]


def _dot(a: Weights, b: Weights) -> Tensor:
    return sum(((x * y).sum((-2, -1)) for x, y in zip(a, b, strict=True)), torch.zeros_like(a[0][..., 0, 0]))


def _norm(a: Weights) -> Tensor:
    return _dot(a, a).sqrt()
