"""A memory of two layers as kernels for CUDA: the contract of `scan._scan_chunks`.

Only what the next chunk needs goes from chunk to chunk: one program owns one memory, keeps its W and S on the chip over
all chunks, and leaves a copy at the start of each. All else, reads and signals, is made from those copies by one
program a chunk, all at once. The backward pass is the same in reverse and computes everything but the copies again.

Shapes: R = B*H memories, N chunks, C tokens per chunk, D width of keys and values, F of the layer between.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from titans_core.memory.triton import ALLOWED
from titans_core.memory.types import Watch, Weights, learns

WIDTHS = (16, 32, 64)  # of keys and values, and tokens of a chunk
HIDDEN = (16, 32, 64, 128)
PIECE = 8192  # chunks of all memories at once where nothing is differentiated: about 1 GB of copies


def usable(parts: list[Tensor], weights: Weights, momentum: Weights, signals: bool) -> bool:
    """Whether the kernels fit: float32 on CUDA, two layers, sizes they are written for.

    The kernel of signals is not differentiated: where gradients are wanted as well, all is the plain form's.
    """
    q, v = parts[0], parts[2]
    if not (ALLOWED and q.is_cuda and q.dtype == torch.float32 and len(weights) == 2):
        return False
    sizes = q.shape[-1] in WIDTHS and v.shape[-1] == q.shape[-1] and q.shape[-2] in WIDTHS
    return sizes and weights[0].shape[-1] in HIDDEN and not (signals and learns(*parts, *weights, *momentum))


def scan_chunks(
    parts: list[Tensor],
    weights: Weights,
    momentum: Weights,
    named: bool,
    share: float | None,
    watch: Watch | None,
) -> tuple[list[Tensor], tuple[Weights, Weights], dict[str, Tensor] | None]:
    """As `scan._scan_chunks`; named: whether signals are wanted."""
    batch, heads, count, chunk = parts[3].shape
    piece = count if learns(*parts, *weights, *momentum) else max(1, PIECE // (batch * heads))
    reads, records = [], []
    for start in range(0, count, piece):
        part = [x[:, :, start : start + piece] for x in parts]
        found = scan(part, weights, momentum, share)
        reads.append(found[0].flatten(2, 3))
        w1, s1, w2, s2 = found[1:5]
        if watch is not None:
            for n in range(part[0].shape[2]):
                watch((start + n) * chunk, (found[5][:, :, n], found[7][:, :, n]))
        if named:
            records.append(signals(part, found))
        weights, momentum = (w1, w2), (s1, s2)
    joined = {name: torch.cat([r[name] for r in records], -1) for name in records[0]} if named else None
    return reads, (weights, momentum), joined


def scan(parts: list[Tensor], weights: Weights, momentum: Weights, share: float | None) -> list[Tensor]:
    """Reads (B, H, N, C, D); the last W1, S1, W2, S2; the same at the start of every chunk; the steps as applied (empty
    where that is theta), A and E of `decay.Decays`."""
    w1, w2, s1, s2 = (*weights, *momentum)
    return _forward([x.contiguous() for x in (*parts, w1, s1, w2, s2)], share)[:12]


def signals(parts: list[Tensor], found: list[Tensor]) -> dict[str, Tensor]:
    """The signals of `signals.closed_form`, name -> (B, H, N*C). found: what `scan` returned."""
    from titans_core.memory.triton_deep_forward import pushes_kernel  # noqa: PLC0415 (needs the triton library)
    from titans_core.memory.triton_signals import NAMES, deep_kernel  # noqa: PLC0415 (needs the triton library)

    _, k, v, theta, eta, alpha = (x.detach().contiguous() for x in parts)
    *copies, applied, A, E = found[5:]
    memories, count, sizes = _sizes([k, k, k, theta, eta, alpha, *copies])
    chunks, tokens = memories * count, theta.numel()
    a, g1 = (k.new_empty(tokens, copies[0].shape[-1]) for _ in range(2))
    made = (a, g1, torch.empty_like(k), k.new_empty(3, tokens), k.new_empty(3, chunks, dtype=torch.float64))
    pushes_kernel[(chunks,)](k, v, *copies, *made, tokens, chunks, *sizes, _precision(), num_warps=8)
    out = theta.new_empty(len(NAMES), *theta.shape)
    step = theta if applied.numel() == 0 else applied
    lost = torch.empty(chunks, dtype=torch.int32, device=k.device)
    for exact in (False, True):  # in float64 again where float32 lost too many digits
        deep_kernel[(chunks,)](
            k, *made, step, eta, alpha, A, E, *copies, out, lost, tokens, chunks, *sizes, _gates(), exact, num_warps=4
        )
    named = dict(zip(NAMES, out.flatten(-2).unbind(), strict=True))
    return named if step is theta else named | {"theta": step.flatten(-2)}


@torch.library.custom_op("titanscope::deep", mutates_args=())
def _forward(given: list[Tensor], share: float | None) -> list[Tensor]:
    from titans_core.memory import triton_deep_forward as kernels  # noqa: PLC0415 (needs the triton library)

    q, k, v, theta, eta, alpha, *state = given
    results = _results(given, share)
    reads, ends, everything = results[0], results[1:5], results[5:9]
    applied, A, E, B, keep, carried, carry = results[9:]
    memories, count, sizes = _sizes(given)
    chunks = memories * count
    kernels.decays_kernel[(chunks,)](eta, alpha, A, B, E, keep, carried, carry, sizes[0], _gates(), num_warps=_warps(4))
    kernels.states_kernel[(memories,)](
        k, v, theta, eta, A, E, keep, carried, carry, *state, *everything, applied, *ends,
        share or 0.0, count, *sizes, share is not None, _precision(), num_warps=8,
    )  # fmt: skip
    step = theta if share is None else applied
    kernels.reads_kernel[(chunks,)](
        q, k, v, step, A, keep, carried, *everything, reads, *sizes, _precision(), num_warps=_warps(4)
    )
    return results


@_forward.register_fake
def _results(given: list[Tensor], share: float | None) -> list[Tensor]:
    """Not filled in. The applied steps are empty where they are those given."""
    q, theta, (w1, w2) = given[0], given[3], (given[6], given[8])
    chunks = q.shape[:3]
    ends = [torch.empty_like(x) for x in given[6:]]
    copies = [q.new_empty(*chunks, *w.shape[-2:]) for w in (w1, w1, w2, w2)]
    applied = q.new_empty(0) if share is None else torch.empty_like(theta)
    squares = [q.new_empty(*theta.shape, theta.shape[-1]) for _ in range(3)]
    vectors = [torch.empty_like(theta), torch.empty_like(theta), q.new_empty(chunks)]
    return [torch.empty_like(q), *ends, *copies, applied, *squares, *vectors]


@torch.library.custom_op("titanscope::deep_backward", mutates_args=())
def _backward(saved: list[Tensor], wanted: list[Tensor], share: float | None) -> list[Tensor]:
    """saved: what the forward was given but W and S, then all it returned from the copies on. wanted: gradients of
    reads and the last W1, S1, W2, S2. Returns the gradients of what the forward was given."""
    from titans_core.memory import triton_deep_backward as kernels  # noqa: PLC0415 (needs the triton library)

    q, k, v, theta, eta, alpha, *copies, applied, A, E, B, keep, carried, carry = saved
    memories, count, sizes = _sizes([q, *saved[1:6], *copies])
    step = theta if share is None else applied
    dq, dk, dv, dtheta, deta, dalpha = (torch.empty_like(x) for x in saved[:6])
    hidden = q.new_empty(*q.shape[:-1], copies[0].shape[-1])
    dstep, dkeep, dcarried, dlast_w, dlast_s = (torch.empty_like(theta) for _ in range(5))
    z1, h, da, dg1, dx = (torch.empty_like(hidden) for _ in range(5))
    g2, dg2, dA, dcarry = (torch.empty_like(x) for x in (q, q, A, carry))
    states = []
    for end, copy in zip(wanted[1:], copies, strict=True):
        states.append(q.new_empty(memories, count + 1, *copy.shape[-2:]))
        states[-1][:, -1] = end.flatten(0, 1)
    last, each = _precision(), (memories * count,)
    dw1, ds1, dw2, ds2 = states
    kernels.reads2_kernel[each](
        q, k, v, step, A, keep, carried, *copies, wanted[0],
        z1, h, dg1, g2, dx, da, dg2, dA, dkeep, dcarried, dw2, ds2, count, *sizes, last, num_warps=8,
    )  # fmt: skip
    kernels.reads1_kernel[each](
        q, k, step, A, keep, carried, *copies[:2], dx, dq, dk, dg1, dA, dstep, dkeep, dcarried, dw1, ds1,
        count, *sizes, last, num_warps=8,
    )  # fmt: skip
    dz1 = dx  # which the first layer has taken
    kernels.states_kernel[(memories,)](
        k, theta, eta, step, A, E, keep, carried, carry, copies[2], z1, h, g2,
        dk, da, dg1, dg2, dstep, *states, dz1, dv, dtheta, deta, dlast_w, dlast_s,
        share or 0.0, count, *sizes, share is not None, last, num_warps=8,
    )  # fmt: skip
    kernels.keys_kernel[each](
        step, A, E, *copies, z1, h, dz1, *states, dk, dkeep, dcarried, dcarry, count, *sizes, last, num_warps=8
    )
    kernels.gates_kernel[each](
        eta, alpha, B, E, dA, dlast_w, dlast_s, dkeep, dcarried, dcarry, deta, dalpha,
        sizes[0], share is not None, _gates(), num_warps=_warps(4),
    )  # fmt: skip
    starts = [x[:, 0].unflatten(0, q.shape[:2]).clone() for x in states]
    return [dq, dk, dv, dtheta, deta, dalpha, *starts]


@_backward.register_fake
def _gradients(saved: list[Tensor], wanted: list[Tensor], share: float | None) -> list[Tensor]:
    return [torch.empty_like(x) for x in (*saved[:6], *wanted[1:])]


def _remember(ctx: Any, inputs: tuple[list[Tensor], float | None], output: list[Tensor]) -> None:
    ctx.save_for_backward(*inputs[0][:6], *output[5:])
    ctx.share = inputs[1]


def _differentiate(ctx: Any, grads: list[Tensor]) -> tuple[list[Tensor], None]:
    # the copies are for signals, which are not differentiated here
    return _backward(list(ctx.saved_tensors), [g.contiguous() for g in grads[:5]], ctx.share), None


_forward.register_autograd(_differentiate, setup_context=_remember)


def _precision() -> str:
    """Products follow torch's own setting. Three of TF32 for one err little more than float32 does."""
    return {"highest": "tf32x3", "high": "tf32", "medium": "bf16"}[torch.get_float32_matmul_precision()]


def _warps(few: int) -> int:
    """Of a program for which so many are enough, if its products do not take three times the registers."""
    return 8 if _precision() == "tf32x3" else few


def _gates() -> str:
    """Of products of gates alone, and of signals: bfloat16 would spoil both."""
    return "tf32x3" if torch.get_float32_matmul_precision() == "highest" else "tf32"


def _sizes(given: list[Tensor]) -> tuple[int, int, tuple[int, int, int]]:
    """Memories, chunks of each, and (C, D, F)."""
    batch, heads, count, chunk, width = given[0].shape
    return batch * heads, count, (chunk, width, given[6].shape[-1])
