"""The block recurrence of `linear.py` as one kernel for CUDA, forward and backward.

One program owns one memory's columns D_out [j, j + COLUMNS) and keeps their W and S in registers over all blocks of a
text: columns never meet in the recurrence, only in the gradients of what they share, which are added up afterwards.
The forward pass leaves W and S at the start of every block, from which the backward pass recomputes the rest.

`TITANSCOPE_TRITON=0` in the environment turns it off. Shapes: R = B*H rows, N blocks, C tokens per block, D width.
"""

from __future__ import annotations

import importlib.util
import os
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from titans_core.memory.linear import Prepared

WIDTHS = (16, 32, 64, 128)  # of a head: what the kernels are written for
PROGRAMS = 128  # about as many as a large GPU has processors
_ALLOWED = importlib.util.find_spec("triton") is not None and os.environ.get("TITANSCOPE_TRITON", "1") != "0"


def usable(q: Tensor, v: Tensor) -> bool:
    """Whether the kernels fit: float32 on CUDA, square memories of a width in WIDTHS, blocks of at least 16 tokens."""
    size, block = q.shape[-1], q.shape[-2]
    fits = q.is_cuda and q.dtype == torch.float32 and size == v.shape[-1] and size in WIDTHS
    return _ALLOWED and fits and block >= 16 and block & (block - 1) == 0


def blocks(
    p: Prepared, weights: Tensor, momentum: Tensor, *, states: bool
) -> tuple[Tensor, Tensor, Tensor, tuple[Tensor, Tensor] | None]:
    """The contract of `linear._blocks`."""
    reads, w, s, all_w, all_s = _forward([x.contiguous() for x in (*p, weights, momentum)])
    return reads, w, s, (all_w, all_s) if states else None


@torch.library.custom_op("titanscope::blocks", mutates_args=())
def _forward(given: list[Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    from titans_core.memory.triton_kernels import forward_kernel  # noqa: PLC0415 (needs the triton library)

    results = _results(given)
    batch, heads, count, block, width = given[0].shape
    columns = _columns(batch * heads, width)
    forward_kernel[(batch * heads, width // columns)](
        *given, results[0], *results[3:], *results[1:3], count, block, width, columns, _precision(), num_warps=4
    )
    return results


@_forward.register_fake
def _results(given: list[Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Reads, the last W and S, and W and S at the start of every block, not filled in."""
    q, v = given[0], given[2]
    batch, heads, count, _, width = q.shape
    w, s = (q.new_empty(batch, heads, width, width) for _ in range(2))
    all_w, all_s = (q.new_empty(batch, heads, count, width, width) for _ in range(2))
    return torch.empty_like(v), w, s, all_w, all_s


@torch.library.custom_op("titanscope::blocks_backward", mutates_args=())
def _backward(saved: list[Tensor], wanted: list[Tensor]) -> list[Tensor]:
    """saved: what the forward was given but W and S, and its W and S per block. wanted: gradients of reads, W, S."""
    from titans_core.memory.triton_kernels import backward_kernel  # noqa: PLC0415 (needs the triton library)

    q, v = saved[0], saved[2]
    batch, heads, count, block, width = q.shape
    columns = _columns(batch * heads, width)
    parts = width // columns
    # what all columns share is written once per program and added up
    shared = [q.new_empty(parts, *x.shape) for i, x in enumerate(saved[:-2]) if i != 2]
    own = [torch.empty_like(v), *(q.new_empty(batch, heads, width, width) for _ in range(2))]
    ends = [q.new_empty(parts, batch, heads, count) for _ in range(2)]  # of keep and carried at a block's last token
    backward_kernel[(batch * heads, parts)](
        *saved, *wanted, *shared, *own, *ends, batch * heads, count, block, width, columns, _precision(), num_warps=4
    )
    dq, dk, solve, attend, keep, carried, *others = (x.sum(0) for x in shared)
    keep[..., -1] += ends[0].sum(0)
    carried[..., -1] += ends[1].sum(0)
    return [dq, dk, own[0], solve, attend, keep, carried, *others, *own[1:]]


@_backward.register_fake
def _gradients(saved: list[Tensor], wanted: list[Tensor]) -> list[Tensor]:
    return [torch.empty_like(x) for x in (*saved[:-2], wanted[1], wanted[2])]


def _remember(ctx: Any, inputs: tuple[list[Tensor]], output: tuple[Tensor, ...]) -> None:
    ctx.save_for_backward(*inputs[0][:-2], *output[3:])


def _differentiate(ctx: Any, *grads: Tensor) -> list[Tensor]:
    # the states per block are for signals, which nothing is trained by
    return _backward(list(ctx.saved_tensors), [g.contiguous() for g in grads[:3]])


_forward.register_autograd(_differentiate, setup_context=_remember)


def _columns(rows: int, width: int) -> int:
    """Columns per program: 32, or 16 where that leaves processors without work."""
    return 16 if rows * width // 32 < PROGRAMS else min(32, width)


def _precision() -> str:
    """Products follow torch's own setting: IEEE float32 unless a caller allowed TF32."""
    return "ieee" if torch.get_float32_matmul_precision() == "highest" else "tf32"
