"""Products of gates between two tokens of a chunk, with exact gradients also where a gate is 0 or 1."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor


class Decays(NamedTuple):
    """What the gates alone decide inside each chunk; C tokens per chunk."""

    carry: Tensor  # H_t = prod eta: how much of S_0 is in S_t, (..., C)
    keep: Tensor  # beta_t = prod (1 - alpha): how much of W_0 is in W_t, (..., C)
    carried: Tensor  # c_t = sum_s B[t, s] H_s: how much of S_0 is in W_t, (..., C)
    E: Tensor  # E[s, i] = H_s / H_i: how much of token i's push is in S_s, (..., C, C)
    B: Tensor  # B[t, s] = beta_t / beta_s: how much of S_s is in W_t, (..., C, C)
    A: Tensor  # A = B E: how much of token i's push is in W_t, (..., C, C)

    @classmethod
    def of(cls, eta: Tensor, alpha: Tensor) -> Decays:
        """eta, alpha: (..., C)."""
        E, B = decay_matrix(eta), decay_matrix(1 - alpha)
        carry = E[..., 0] * eta[..., :1]
        keep = B[..., 0] * (1 - alpha[..., :1])
        A = B @ E
        return cls(carry, keep, A[..., 0] * eta[..., :1], E, B, A)  # H_s = E[s, 0] eta_0


def decay_matrix(gate: Tensor) -> Tensor:
    """L[t, s] = prod of gate[s+1..t] for s <= t, else 0: (..., C) -> (..., C, C).

    A cumulative product, not a difference of log sums: those are NaN at a gate of 0. The gradient is written out as two
    matrix products, since the library's own divides by the gate.
    """
    matrix: Tensor = _DecayMatrix.apply(gate)
    return matrix


class _DecayMatrix(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gate: Tensor) -> Tensor:
        size = gate.shape[-1]
        one = torch.ones(size, size, dtype=torch.bool, device=gate.device)
        columns = torch.where(one.tril(-1), gate.unsqueeze(-1), 1.0)
        matrix = columns.cumprod(-2).masked_fill_(one.triu(1), 0)
        ctx.save_for_backward(matrix)
        return matrix

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        # dL[t, s] / dgate[j] = L[t, j] L[j-1, s] for s < j <= t
        (matrix,) = ctx.saved_tensors
        inner = matrix.mT @ grads[0].tril()
        rest = (inner[..., 1:, :] * matrix[..., :-1, :]).sum(-1)
        return torch.cat(
            (
                rest.new_zeros((*rest.shape[:-1], 1)),
                rest,
            ),
            -1,
        )
