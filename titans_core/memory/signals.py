"""Every norm of the trace in closed form, without building a weight matrix per token.

With u_i = -theta_i a_i^T g_i (summed over memory layers), all inner products between pushes are one Gram matrix a
chunk, G[i, j] = sum_l (a_i . a_j)(g_i . g_j); every norm follows from G, the gates and what the chunk starts with.
Products of float32 runs are float32, sums over tokens float64. Where what is left of a sum is small beside its terms,
as after pushes that cancel, the chunk's products are made again in float64 (decisions/0041).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from titans_core.memory.decay import Decays

LEFT = 1e-3  # of the square of its terms' sizes together: a smaller square of a norm is made again in float64
LEFT_WEIGHTS = 1e-4  # of M, whose terms are the many writes that it was built from


class Chunks(NamedTuple):
    """Any number of chunks and what they start with; per memory layer a tensor. Leading dimensions are equal."""

    weights: tuple[Tensor, ...]  # W_0, (..., D_in, D_out)
    momentum: tuple[Tensor, ...]  # S_0
    inputs: tuple[Tensor, ...]  # a, (..., C, D_in)
    errors: tuple[Tensor, ...]  # g, the loss's slope in the layer's output, (..., C, D_out)
    theta: Tensor  # (..., C)
    eta: Tensor
    alpha: Tensor
    outputs: tuple[Tensor, ...] = ()  # a W_0, where they are known

    @classmethod
    def stack(cls, chunks: list[Chunks]) -> Chunks:
        """N chunks (B, H, ...), one after the other, with N at dimension 2."""
        w, s, a, g, theta, eta, alpha, _ = zip(*chunks, strict=True)
        layers = (tuple(torch.stack(x, 2) for x in zip(*layer, strict=True)) for layer in (w, s, a, g))
        return cls(*layers, *(torch.stack(x, 2) for x in (theta, eta, alpha)))  # type: ignore[arg-type]

    def picked(self, mask: Tensor) -> Chunks:
        """Those of a mask over the leading dimensions, in float64."""
        layers = (tuple(x[mask].double() for x in layer) for layer in self[:4])
        return Chunks(*layers, *(x[mask].double() for x in self[4:7]))  # type: ignore[arg-type]


class _Sums(NamedTuple):
    """What the recurrences start from: (..., C), the last three (..., 1)."""

    square: Tensor  # |a_t^T g_t|^2
    loss: Tensor
    past: Tensor  # p_t = <eta_t S_{t-1}, u_t>
    before: Tensor  # m_t = <M_{t-1}, u_t>
    w2: Tensor  # |W_0|^2
    s2: Tensor  # |S_0|^2
    ws: Tensor  # <W_0, S_0>


@torch.no_grad()
def closed_form(chunks: Chunks, decays: Decays | None = None) -> dict[str, Tensor]:
    """The signals of chunks, name -> (..., C) in the gates' dtype, theta among them.

    decays: of eta and alpha, if they are known.
    """
    found, doubtful = _norms(chunks, _sums(chunks, decays or Decays.of(chunks.eta, chunks.alpha)))
    if chunks.theta.dtype != torch.float64 and doubtful.any():
        again = chunks.picked(doubtful)
        for name, values in _norms(again, _sums(again, Decays.of(again.eta, again.alpha)))[0].items():
            found[name][doubtful] = values
    return {name: values.to(chunks.theta.dtype) for name, values in found.items()}


def _sums(c: Chunks, d: Decays) -> _Sums:
    gram = weights_push = momentum_push = w2 = s2 = ws = torch.zeros((), dtype=c.theta.dtype, device=c.theta.device)
    outputs = c.outputs or tuple(a @ w for a, w in zip(c.inputs, c.weights, strict=True))
    for w, s, a, g, out in zip(c.weights, c.momentum, c.inputs, c.errors, outputs, strict=True):
        gram = gram + (a @ a.mT) * (g @ g.mT)
        weights_push = weights_push + (out * g).sum(-1)
        momentum_push = momentum_push + ((a @ s) * g).sum(-1)
        w2, s2, ws = (t + (x * y).sum((-2, -1)) for t, x, y in ((w2, w, w), (s2, s, s), (ws, w, s)))
    square = gram.diagonal(dim1=-2, dim2=-1)
    pushed = gram * c.theta.unsqueeze(-2)
    pushed.diagonal(dim1=-2, dim2=-1).zero_()  # the token's own, not of the past
    past = (d.E * pushed).sum(-1) - d.carry * momentum_push
    before = -weights_push.clone()
    before[..., 1:] *= d.keep[..., :-1]
    before[..., 1:] += (d.A[..., :-1, :] * pushed[..., 1:, :]).sum(-1) - d.carried[..., :-1] * momentum_push[..., 1:]
    loss = (c.errors[-1] / 2).square().sum(-1)  # the last slope is twice the error
    found = (square.clamp_min(0), loss, c.theta * past, c.theta * before, *(x.unsqueeze(-1) for x in (w2, s2, ws)))
    return _Sums(*(x.double() for x in found))


def _norms(c: Chunks, r: _Sums) -> tuple[dict[str, Tensor], Tensor]:
    """The signals in float64, and which chunks' norms are small beside what they are sums of.

    x_t = <M_t, S_t>, y_t = <M_{t-1}, S_t>; the equations are those of docs/math.md, "Norms in closed form".
    """
    theta, eta, alpha = c.theta.double(), c.eta.double(), c.alpha.double()
    keep = 1 - alpha
    u2 = theta.square() * r.square
    S2 = _recurrence(eta.square(), 2 * r.past + u2, r.s2).clamp_min(0)
    x = _recurrence(keep * eta, keep * r.before + S2, r.ws)
    y = eta * _shift(x, r.ws) + r.before
    M2 = _recurrence(keep.square(), 2 * keep * y + S2, r.w2).clamp_min(0)
    M2_before, S2_before = _shift(M2, r.w2), _shift(S2, r.s2)
    change = (alpha.square() * M2_before - 2 * alpha * y + S2).clamp_min(0)
    past2 = eta.square() * S2_before

    S_size = _recurrence(eta, u2.sqrt(), r.s2.sqrt())  # were all terms parallel
    M_size = _recurrence(keep, S_size, r.w2.sqrt())
    small = (LEFT * S_size.square() > S2) | (LEFT_WEIGHTS * M_size.square() > M2)
    small |= change < LEFT * (alpha * _shift(M_size, r.w2.sqrt()) + S_size).square()
    named = {
        "loss": r.loss,
        "surprise": r.square.sqrt(),
        "past_surprise": past2.sqrt(),
        "momentum": S2.sqrt(),
        "alignment": (r.past / (past2 * u2).sqrt()).clamp(-1, 1),
        "update": change.sqrt(),
        "forgotten": alpha * M2_before.sqrt(),
        "memory": M2.sqrt(),
        "theta": theta,
    }
    return named, small.any(-1)


def _recurrence(gate: Tensor, x: Tensor, first: Tensor) -> Tensor:
    """s_t = gate_t s_{t-1} + x_t from s_{-1} = first, by doubling: (..., C). Exact at gates of 0."""
    s, step = x.clone(), 1
    s[..., :1] += gate[..., :1] * first
    gate = gate.clone()
    while step < x.shape[-1]:
        s[..., step:] += gate[..., step:] * s[..., :-step].clone()
        gate[..., step:] *= gate[..., :-step].clone()
        step *= 2
    return s


def _shift(x: Tensor, first: Tensor) -> Tensor:
    return torch.cat((first, x[..., :-1]), -1)
