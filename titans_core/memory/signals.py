"""Every norm of the trace in closed form, without building a weight matrix per token.

With u_i = -theta_i a_i^T g_i (summed over memory layers), all inner products between pushes are one Gram matrix a
chunk, G[i, j] = sum_l (a_i . a_j)(g_i . g_j); every norm follows from G, the gates and what the chunk starts with.
Computed in float64, gates included: squared norms of pushes that cancel would lose all digits in float32.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from titans_core.memory.decay import Decays
from titans_core.memory.types import Weights


class ChunkRecord(NamedTuple):
    """What chunks leave behind for the closed forms, in float64. Shapes (B, H[, N], C[, C]) and (B, H[, N])."""

    gram: Tensor
    weights_push: Tensor  # <W_0, a_i^T g_i>
    momentum_push: Tensor  # <S_0, a_i^T g_i>
    loss: Tensor
    theta: Tensor
    weights_square: Tensor  # |W_0|^2
    momentum_square: Tensor  # |S_0|^2
    weights_momentum: Tensor  # <W_0, S_0>

    @classmethod
    def stack(cls, records: list[ChunkRecord]) -> ChunkRecord:
        """N chunks, one after the other, as one record with N at dimension 2."""
        return cls(*(torch.stack(column, 2) for column in zip(*records, strict=True)))

    @classmethod
    def of(
        cls,
        weights: Weights,
        momentum: Weights,
        inputs: list[Tensor],
        errors: list[Tensor],
        theta: Tensor,
    ) -> ChunkRecord:
        """inputs, errors: per memory layer a and g, (..., C, D); any number of chunks at once."""
        gram = weights_push = momentum_push = torch.zeros((), dtype=torch.float64, device=theta.device)
        w2 = s2 = ws = gram
        for w32, s32, a32, g32 in zip(weights, momentum, inputs, errors, strict=True):
            w, s, a, g = w32.double(), s32.double(), a32.double(), g32.double()
            gram = gram + (a @ a.mT) * (g @ g.mT)
            weights_push = weights_push + ((a @ w) * g).sum(-1)
            momentum_push = momentum_push + ((a @ s) * g).sum(-1)
            w2 = w2 + w.square().sum((-2, -1))
            s2 = s2 + s.square().sum((-2, -1))
            ws = ws + (w * s).sum((-2, -1))
        loss = (errors[-1].double() / 2).square().sum(-1)  # the last slope is twice the error
        return cls(gram, weights_push, momentum_push, loss, theta.double(), w2, s2, ws)


def closed_form(r: ChunkRecord, eta: Tensor, alpha: Tensor) -> dict[str, Tensor]:
    """The signals of N chunks, name -> (B, H, N*C) in the gates' dtype.

    r: shapes (B, H, N, C[, C]) and (B, H, N). eta, alpha: (B, H, N, C). With H, beta, E, B, A of `Decays` and
    p_t = <eta_t S_{t-1}, u_t>, m_t = <M_{t-1}, u_t>, x_t = <M_t, S_t>, y_t = <M_{t-1}, S_t>:
        |S_t|^2 = H_t^2 |S_0|^2 + sum_s E[t,s]^2 (2 p_s + |u_s|^2)
        x_t = beta_t H_t <W_0,S_0> + sum_s B[t,s] E[t,s] ((1-alpha_s) m_s + |S_s|^2)
        |M_t|^2 = beta_t^2 |W_0|^2 + sum_s B[t,s]^2 (2 (1-alpha_s) y_s + |S_s|^2)
    """
    dtype = eta.dtype
    eta, alpha = eta.detach().double(), alpha.detach().double()
    H, beta, carried, E, B, A = Decays.of(eta, alpha)
    keep = 1 - alpha
    w2, s2, ws = (x.unsqueeze(-1) for x in (r.weights_square, r.momentum_square, r.weights_momentum))
    inner = r.gram * r.theta.unsqueeze(-1) * r.theta.unsqueeze(-2)  # <u_t, u_i>
    wu, su = -r.theta * r.weights_push, -r.theta * r.momentum_push
    u2 = inner.diagonal(dim1=-2, dim2=-1)

    p = H * su + (E.tril(-1) * inner).sum(-1)
    before = torch.nn.functional.pad(A[..., :-1, :], (0, 0, 1, 0))  # row t holds A[t-1]
    m = _shift(beta, 1.0) * wu + _shift(carried, 0.0) * su + (before * inner).sum(-1)

    S2 = (H.square() * s2 + _apply(E.square(), 2 * p + u2)).clamp_min(0)
    x = beta * H * ws + _apply(B * E, keep * m + S2)
    y = eta * torch.cat((ws, x[..., :-1]), -1) + m
    M2 = (beta.square() * w2 + _apply(B.square(), 2 * keep * y + S2)).clamp_min(0)
    M2_before = torch.cat((w2, M2[..., :-1]), -1)
    past2 = eta.square() * torch.cat((s2, S2[..., :-1]), -1)
    change = (alpha.square() * M2_before - 2 * alpha * y + S2).clamp_min(0)
    named = {
        "loss": r.loss,
        "surprise": r.gram.diagonal(dim1=-2, dim2=-1).clamp_min(0).sqrt(),
        "past_surprise": past2.sqrt(),
        "momentum": S2.sqrt(),
        "alignment": (p / (past2 * u2).sqrt()).clamp(-1, 1),
        "update": change.sqrt(),
        "forgotten": alpha * M2_before.sqrt(),
        "memory": M2.sqrt(),
        "theta": r.theta,
    }
    return {name: value.flatten(2).to(dtype) for name, value in named.items()}


def _shift(x: Tensor, first: float) -> Tensor:
    return torch.nn.functional.pad(x[..., :-1], (1, 0), value=first)


def _apply(matrix: Tensor, x: Tensor) -> Tensor:
    return (matrix @ x.unsqueeze(-1)).squeeze(-1)
