"""The memory of `linear.py` as four kernels for CUDA: what its blocks need, the recurrence, and the gradients of both.

In the recurrence one program owns one memory's columns D_out [j, j + COLUMNS) and keeps their W and S in registers over
all blocks of a text: columns never meet in it, only in the gradients of what they share, which are added up afterwards.
The forward pass leaves W and S at the start of every block, from which the backward pass recomputes the rest.

`TITANSCOPE_TRITON=0` in the environment turns it off. Shapes: R = B*H rows, N blocks, C tokens per block, D width.
"""

from __future__ import annotations

import importlib.util
import math
import os
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from titans_core.memory.prepared import Prepared

WIDTHS = (16, 32, 64, 128)  # of a head: what the kernels are written for
PROGRAMS = 128  # about as many as a large GPU has processors
ALLOWED = importlib.util.find_spec("triton") is not None and os.environ.get("TITANSCOPE_TRITON", "1") != "0"


def usable(q: Tensor, v: Tensor) -> bool:
    """Whether the kernels fit: float32 on CUDA, square memories of a width in WIDTHS, blocks of at least 16 tokens."""
    size, block = q.shape[-1], q.shape[-2]
    fits = q.is_cuda and q.dtype == torch.float32 and size == v.shape[-1] and size in WIDTHS
    return ALLOWED and fits and block >= 16 and block & (block - 1) == 0


def prepare(q: Tensor, k: Tensor, theta: Tensor, eta: Tensor, alpha: Tensor) -> list[Tensor]:
    """All of `Prepared` after v, and the inverse. q, k: (B, H, N, C, D); theta, eta, alpha: (B, H, N, C)."""
    return _prepare([x.contiguous() for x in (q, k, theta, eta, alpha)])


@torch.library.custom_op("titanscope::prepare", mutates_args=())
def _prepare(given: list[Tensor]) -> list[Tensor]:
    from titans_core.memory.triton_prepare import forward_kernel  # noqa: PLC0415 (needs the triton library)

    results = _prepared(given)
    batch, heads, count, block, width = given[0].shape
    forward_kernel[(batch * heads * count,)](*given, *results, block, width, _precision(), num_warps=1)
    return results


@_prepare.register_fake
def _prepared(given: list[Tensor]) -> list[Tensor]:
    """solve, attend, six of (..., C), carry (...) and the inverse, not filled in."""
    q, theta = given[0], given[2]
    square = (*q.shape[:-1], q.shape[-2])
    return [
        q.new_empty(square),
        q.new_empty(square),
        *(torch.empty_like(theta) for _ in range(6)),
        q.new_empty(q.shape[:3]),
        q.new_empty(square),
    ]


@torch.library.custom_op("titanscope::prepare_backward", mutates_args=())
def _prepare_backward(saved: list[Tensor], wanted: list[Tensor]) -> list[Tensor]:
    """saved: what the forward was given, and the inverse. wanted: gradients of all else it returned."""
    from titans_core.memory.triton_prepare import backward_kernel  # noqa: PLC0415 (needs the triton library)

    results = _prepare_gradients(saved, wanted)
    batch, heads, count, block, width = saved[0].shape
    backward_kernel[(batch * heads * count,)](*saved, *wanted, *results, block, width, _precision(), num_warps=4)
    return results


@_prepare_backward.register_fake
def _prepare_gradients(saved: list[Tensor], wanted: list[Tensor]) -> list[Tensor]:
    return [torch.empty_like(x) for x in saved[:-1]]


def _remember_prepared(ctx: Any, inputs: tuple[list[Tensor]], output: list[Tensor]) -> None:
    ctx.save_for_backward(*inputs[0], output[-1])


def _differentiate_prepared(ctx: Any, grads: list[Tensor]) -> list[Tensor]:
    return _prepare_backward(list(ctx.saved_tensors), [g.contiguous() for g in grads[:-1]])  # none for the inverse


_prepare.register_autograd(_differentiate_prepared, setup_context=_remember_prepared)


def blocks(
    p: Prepared, weights: Tensor, momentum: Tensor, *, states: bool
) -> tuple[Tensor, Tensor, Tensor, tuple[Tensor, Tensor] | None]:
    """The contract of `linear._blocks`."""
    reads, w, s, all_w, all_s = _forward([x.contiguous() for x in (*p, weights, momentum)])
    return reads, w, s, (all_w, all_s) if states else None


def signals(p: Prepared, gates: list[Tensor], inverse: Tensor, weights: Tensor, momentum: Tensor) -> dict[str, Tensor]:
    """The signals of `signals.closed_form` but theta, name -> (B, H, N*C), without gradients.

    gates: theta, eta, alpha. weights, momentum: at the start of every block, (B, H, N, D, D).
    """
    from titans_core.memory.triton_signals import NAMES, linear_kernel  # noqa: PLC0415 (needs the triton library)

    given = [x.contiguous() for x in (p.k, p.v, *gates, inverse, p.keep_before, p.carried_before, weights, momentum)]
    blocks = gates[0].numel() // gates[0].shape[-1]
    lost = torch.empty(blocks, dtype=torch.int32, device=inverse.device)
    out = inverse.new_empty(len(NAMES), *gates[0].shape)
    for exact in (False, True):  # in float64 again where float32 lost too many digits
        linear_kernel[(blocks,)](*given, out, lost, gates[0].numel(), *p.k.shape[-2:], _precision(), exact, num_warps=2)
    return dict(zip(NAMES, out.flatten(-2).unbind(), strict=True))


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
    """saved: what the forward was given but W and S, and its W and S per block. wanted: gradients of reads, W, S.

    Returns the gradients of all that the columns share, one after the other in one tensor, and those of v, W and S.
    """
    from titans_core.memory.triton_kernels import backward_kernel  # noqa: PLC0415 (needs the triton library)

    batch, heads, count, block, width = saved[0].shape
    columns = _columns(batch * heads, width)
    parts = width // columns
    shared, *own = _gradients(saved, wanted)
    every = shared.new_empty(parts, *shared.shape)  # what all columns share is written once per program and added up
    of_each = [x for i, x in enumerate(saved[:-2]) if i != 2]
    places = every[0].split([x.numel() for x in of_each])
    backward_kernel[(batch * heads, parts)](
        *saved, *wanted, *places, *own,
        len(shared), count, block, width, columns, _precision(), num_warps=4,
    )  # fmt: skip
    return [every.sum(0), *own]


@_backward.register_fake
def _gradients(saved: list[Tensor], wanted: list[Tensor]) -> list[Tensor]:
    size = sum(math.prod(x.shape) for i, x in enumerate(saved[:-2]) if i != 2)
    return [saved[0].new_empty(size), *(torch.empty_like(x) for x in (saved[2], *wanted[1:]))]


def _remember(ctx: Any, inputs: tuple[list[Tensor]], output: tuple[Tensor, ...]) -> None:
    ctx.save_for_backward(*inputs[0][:-2], *output[3:])


def _differentiate(ctx: Any, *grads: Tensor) -> list[Tensor]:
    # the states per block are for signals, which nothing is trained by
    saved = list(ctx.saved_tensors)
    shared, dv, dw, ds = _backward(saved, [g.contiguous() for g in grads[:3]])
    of_each = [x for i, x in enumerate(saved[:-2]) if i != 2]
    dq, dk, *others = (
        part.view(x.shape) for part, x in zip(shared.split([x.numel() for x in of_each]), of_each, strict=True)
    )
    return [dq, dk, dv, *others, dw, ds]


_forward.register_autograd(_differentiate, setup_context=_remember)


def _columns(rows: int, width: int) -> int:
    """Columns per program: 32, or 16 where that leaves processors without work."""
    return 16 if rows * width // 32 < PROGRAMS else min(32, width)


def _precision() -> str:
    """Products follow torch's own setting. Three of TF32 for one err little more than float32 does."""
    return "tf32x3" if torch.get_float32_matmul_precision() == "highest" else "tf32"
