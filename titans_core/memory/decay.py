"""Products of gates between two tokens of a chunk, with exact gradients also where a gate is 0 or 1."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


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
        later = torch.ones(size, size, dtype=torch.bool, device=gate.device).tril(-1)
        columns = torch.where(later, gate.unsqueeze(-1), torch.ones((), dtype=gate.dtype, device=gate.device))
        matrix = columns.cumprod(-2).tril()
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
