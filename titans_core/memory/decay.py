"""Products of gates between two tokens of a chunk, with exact gradients also where a gate is 0 or 1."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from titans_core.memory.types import learns

NOTHING = 1e-22  # of a product of gates: of what was written so little is left that it counts as none
FADED = 1e-30  # of momentum, which a head that writes nothing makes smaller and smaller
FEW = 1024  # tokens, up to which one cumulative product is faster on a CPU than an operation per row


class Decays(NamedTuple):
    """What the gates alone decide inside each chunk; C tokens per chunk."""

    carry: Tensor  # H_t = prod eta: how much of S_0 is in S_t, (..., C)
    keep: Tensor  # beta_t = prod (1 - alpha): how much of W_0 is in W_t, (..., C)
    carried: Tensor  # c_t = sum_s B[t, s] H_s: how much of S_0 is in W_t, (..., C)
    E: Tensor  # E[s, i] = H_s / H_i: how much of token i's push is in S_s, (..., C, C)
    A: Tensor  # A = B E, B[t, s] = beta_t / beta_s: how much of token i's push is in W_t, (..., C, C)

    @classmethod
    def of(cls, eta: Tensor, alpha: Tensor) -> Decays:
        """eta, alpha: (..., C)."""
        rows = eta.device.type == "cpu" and eta.numel() > FEW and not learns(eta, alpha)
        E, keep, A = (_by_rows if rows else _by_matrix)(eta, 1 - alpha)
        first = eta[..., :1]
        found = E[..., 0] * first, keep, A[..., 0] * first, E, A  # H_s = E[s, 0] eta_0
        return cls(*(without_traces(x, NOTHING) for x in found))


def without_traces(x: Tensor, nothing: float) -> Tensor:
    """x, in which numbers up to `nothing` are made 0 in place: of float32 on a CPU, where nothing is learned.

    What fades ends below float32's smallest normal number, and many processors take a hundred times as long for
    arithmetic with such numbers, or that comes out as one.
    """
    if x.device.type == "cpu" and x.dtype == torch.float32 and not learns(x):
        torch.ops.aten.hardshrink.out(x, nothing, out=x)
    return x


def _by_matrix(eta: Tensor, kept: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """E, beta and A."""
    E, B = decay_matrix(eta), decay_matrix(kept)
    return E, B[..., 0] * kept[..., :1], B @ E


def _by_rows(eta: Tensor, kept: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The same, each row from the one before, of all chunks at once: no product of matrices."""
    size, lead = eta.shape[-1], eta.shape[:-1]
    E = torch.eye(size, dtype=eta.dtype).view(size, *(1 for _ in lead), size).repeat(1, *lead, 1)
    A = torch.empty_like(E)
    A[0] = E[0]
    rows = zip(*(x.unbind(0) for x in (E, A)), *(x.unsqueeze(-1).unbind(-2) for x in (eta, kept)), strict=True)
    e_before, a_before, *_ = next(rows)
    for e, a, carry, keep in rows:
        e.addcmul_(e_before, carry)
        torch.addcmul(e, a_before, keep, out=a)
        e_before, a_before = e, a
    return E.movedim(0, -2), kept.cumprod(-1), A.movedim(0, -2)


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
