"""What the blocks of `linear.py` need and no memory has a part in: made for any number of blocks at once."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from titans_core.memory.decay import Decays


class Prepared(NamedTuple):
    """All that the blocks need and W and S have no part in. Shapes (B, H, N, C, ...)."""

    q: Tensor  # (..., C, D)
    k: Tensor
    v: Tensor
    solve: Tensor  # diag(2 theta) (I + L)^-1: from the right-hand side r to z = 2 theta e, (..., C, C)
    attend: Tensor  # (q k^T) A, (..., C, C)
    keep: Tensor  # beta_t, (..., C)
    carried: Tensor  # c_t
    keep_before: Tensor  # beta_{t-1}
    carried_before: Tensor  # c_{t-1}
    into_weights: Tensor  # A[C, i]: how much of token i's push is in the block's last W
    into_momentum: Tensor  # E[C, i]: and in its last S
    carry: Tensor  # H_C: how much of S_0 is in the block's last S, (...)


def prepare(
    q: Tensor, k: Tensor, v: Tensor, theta: Tensor, eta: Tensor, alpha: Tensor
) -> tuple[Decays, Prepared, Tensor, Tensor]:
    """With it (I + L)^-1 and k k^T, (..., C, C)."""
    decays = Decays.of(eta, alpha)
    step, alike = 2 * theta, k @ k.mT
    before = torch.nn.functional.pad(decays.A[..., :-1, :], (0, 0, 1, 0))  # row t holds A[t-1]
    inverse = unit_lower_inverse(alike * before * step.unsqueeze(-2))
    return (
        decays,
        Prepared(
            q,
            k,
            v,
            step.unsqueeze(-1) * inverse,
            (q @ k.mT) * decays.A,
            decays.keep,
            decays.carried,
            _shift(decays.keep, 1.0),
            _shift(decays.carried, 0.0),
            decays.A[..., -1, :],
            decays.E[..., -1, :],
            decays.carry[..., -1],
        ),
        inverse,
        alike,
    )


def unit_lower_inverse(lower: Tensor) -> Tensor:
    """(I + L)^-1 for L strictly lower triangular: (..., C, C)."""
    inverse: Tensor = _UnitLowerInverse.apply(lower)
    return inverse


class _UnitLowerInverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, lower: Tensor) -> Tensor:
        one = torch.eye(lower.shape[-1], dtype=lower.dtype, device=lower.device)
        inverse = torch.linalg.solve_triangular(lower + one, one.expand_as(lower), upper=False, unitriangular=True)
        ctx.save_for_backward(inverse)
        return inverse

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (inverse,) = ctx.saved_tensors
        return -(inverse.mT @ grads[0] @ inverse.mT).tril(-1)


def _shift(x: Tensor, first: float) -> Tensor:
    return torch.nn.functional.pad(x[..., :-1], (1, 0), value=first)
