"""The chunks of a deep memory as autograd can follow them: nothing is written in place."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import silu

from titans_core.memory.decay import Decays
from titans_core.memory.signals import Chunks, closed_form
from titans_core.memory.types import Watch, Weights


def scan_chunks(
    parts: list[Tensor],
    weights: Weights,
    momentum: Weights,
    signals: bool,
    share: float | None,
    watch: Watch | None,
) -> tuple[list[Tensor], tuple[Weights, Weights], dict[str, Tensor] | None]:
    """`scan._scan_chunks` where gradients are wanted; signals have none."""
    q, k, v, theta, eta, alpha = parts
    decays = Decays.of(eta, alpha)
    reads, records = [], []
    # unbind, not indexing: the gradient of an index is a whole tensor of zeros per chunk
    columns = [
        x.unbind(2) for x in (q, k, v, theta, eta, alpha, decays.carry, decays.keep, decays.carried, decays.E, decays.A)
    ]
    for n, (qn, kn, vn, step, carry_gate, forget, carry, keep, carried, E, A) in enumerate(zip(*columns, strict=True)):
        if watch is not None:
            watch(n * q.shape[3], weights)
        inputs, errors, before = backpropagate(weights, kn, vn)
        if share is not None:
            step = torch.minimum(step, largest_step(weights, inputs, before, carry_gate, share))
        pushes = A * step.unsqueeze(-2)
        if signals:
            records.append(Chunks(weights, momentum, tuple(inputs), tuple(errors), step, carry_gate, forget))

        x = qn
        for layer, (w, s, a, g) in enumerate(zip(weights, momentum, inputs, errors, strict=True)):
            x = keep[..., None] * (x @ w) + carried[..., None] * (x @ s) - ((x @ a.mT) * pushes) @ g
            if layer < len(weights) - 1:
                x = silu(x)
        reads.append(x)

        last = (A[..., -1, :, None] * step[..., None], E[..., -1, :, None] * step[..., None])
        ends = [x[..., -1, None, None] for x in (keep, carried, carry)]
        written = [a.mT @ torch.cat((last[0] * g, last[1] * g), -1) for a, g in zip(inputs, errors, strict=True)]
        weights, momentum = (
            tuple(
                ends[0] * w + ends[1] * s - u.chunk(2, -1)[0]
                for w, s, u in zip(weights, momentum, written, strict=True)
            ),
            tuple(ends[2] * s - u.chunk(2, -1)[1] for s, u in zip(momentum, written, strict=True)),
        )
    named = closed_form(Chunks.stack(records)) if signals else None
    if named is not None:
        named = {name: values.flatten(2) for name, values in named.items()}
    return reads, (weights, momentum), named


def backpropagate(weights: Weights, k: Tensor, v: Tensor) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """Per memory layer: its input a (.., C, D_in), the loss's slope g in its output, and that output."""
    inputs, before = [k], []
    for w in weights[:-1]:
        before.append(inputs[-1] @ w)
        inputs.append(silu(before[-1]))
    before.append(inputs[-1] @ weights[-1])
    errors = [2 * (before[-1] - v)]
    for layer in range(len(weights) - 1, 0, -1):
        errors.append((errors[-1] @ weights[layer].mT) * _silu_slope(before[layer - 1]))
    return inputs, errors[::-1], before


def _silu_slope(x: Tensor) -> Tensor:
    s = torch.sigmoid(x)
    return s * (1 + x * (1 - s))


def largest_step(weights: Weights, inputs: list[Tensor], before: list[Tensor], eta: Tensor, cap: float) -> Tensor:
    """cap * 2 (1 - eta) / curvature: (B, H, C). The curvature is `equations.curvature`."""
    slope = torch.ones_like(eta)
    curvature = torch.zeros_like(eta)
    for layer in range(len(weights) - 1, -1, -1):
        curvature = curvature + 2 * inputs[layer].square().sum(-1) * slope
        if layer:
            rows = weights[layer].square().sum(-1, keepdim=True)
            slope = slope * (_silu_slope(before[layer - 1]).square() @ rows).squeeze(-1)
    # a key of zeros has none and writes nothing, but its gradient would be NaN
    return cap * 2 * (1 - eta) / curvature.clamp_min(1e-6)
