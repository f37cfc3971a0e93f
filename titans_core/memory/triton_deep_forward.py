"""The forward kernels of a memory of two layers. Only imported where the triton library is there.

Names follow `scan.py`: z1 = k W1, a = SiLU(z1), g1 and g2 the loss's slopes in the outputs of both layers; A, keep,
carried and carry of `decay.Decays`; the last rows of A and E are
how much of a token's push is in the chunk's last W and S.
"""

# Kernels are compiled from this source: pointers have no types, and a function's length is the length of its program.
# mypy: ignore-errors

import triton
import triton.language as tl

from titans_core.memory.triton_parts import added, decay, inner, product


@triton.jit
def decays_kernel(eta_, alpha_, A_, B_, E_, keep_, carried_, carry_, C: tl.constexpr, PRECISION: tl.constexpr):
    at = tl.program_id(0).to(tl.int64)
    t = tl.arange(0, C)
    row, column = t[:, None], t[None, :]
    eta, kept = tl.load(eta_ + at * C + t), 1 - tl.load(alpha_ + at * C + t)
    E, B = decay(eta, row, column), decay(kept, row, column)
    tl.store(B_ + at * C * C + row * C + column, B)
    tl.store(E_ + at * C * C + row * C + column, E)
    tl.store(A_ + at * C * C + row * C + column, tl.dot(B, E, input_precision=PRECISION))
    carry = tl.sum(tl.where(column == 0, E, 0.0), 1) * tl.sum(tl.where(t == 0, eta, 0.0), 0)
    keep = tl.sum(tl.where(column == 0, B, 0.0), 1) * tl.sum(tl.where(t == 0, kept, 0.0), 0)
    tl.store(keep_ + at * C + t, keep)
    tl.store(carried_ + at * C + t, tl.sum(B * carry[None, :], 1))
    tl.store(carry_ + at, tl.sum(tl.where(t == C - 1, carry, 0.0), 0))


@triton.jit
def slopes(k, v, w1, w2, PRECISION: tl.constexpr):
    """z1, its sigmoid, a, the SiLU's slope, z2, g2 and h = g2 W2^T; g1 = h * slope."""
    z1 = product(k, w1, PRECISION)
    sigmoid = tl.sigmoid(z1)
    a = z1 * sigmoid
    slope = sigmoid + a * (1 - sigmoid)
    z2 = product(a, w2, PRECISION)
    g2 = 2 * (z2 - v)
    return z1, sigmoid, a, slope, z2, g2, product(g2, tl.trans(w2), PRECISION)


@triton.jit
def states_kernel(
    k_, v_, theta_, eta_, A_, E_, keep_, carried_, carry_, w1_, s1_, w2_, s2_,
    all_w1_, all_s1_, all_w2_, all_s2_, applied_, w1_end_, s1_end_, w2_end_, s2_end_,
    cap, N, C: tl.constexpr, D: tl.constexpr, F: tl.constexpr, CAP: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """One program a memory: W and S stay where they are over all chunks, and leave a copy at the start of each."""
    memory = tl.program_id(0).to(tl.int64)
    t, d, f = tl.arange(0, C), tl.arange(0, D), tl.arange(0, F)
    td, df, fd = t[:, None] * D + d, d[:, None] * F + f, f[:, None] * D + d
    here = memory * D * F
    w1, s1 = tl.load(w1_ + here + df), tl.load(s1_ + here + df)
    w2, s2 = tl.load(w2_ + here + fd), tl.load(s2_ + here + fd)
    for n in range(N):
        at = memory * N + n
        tl.store(all_w1_ + at * D * F + df, w1)
        tl.store(all_s1_ + at * D * F + df, s1)
        tl.store(all_w2_ + at * D * F + fd, w2)
        tl.store(all_s2_ + at * D * F + fd, s2)
        k, v = tl.load(k_ + at * C * D + td), tl.load(v_ + at * C * D + td)
        step = tl.load(theta_ + at * C + t)
        _, _, a, slope, _, g2, h = slopes(k, v, w1, w2, PRECISION)
        if CAP:  # `scan._largest_step`
            curvature = tl.sum(k * k, 1) * tl.sum(slope * slope * tl.sum(w2 * w2, 1)[None, :], 1)
            curvature = tl.maximum(2 * (tl.sum(a * a, 1) + curvature), 1e-6)
            step = tl.minimum(step, cap * 2 * (1 - tl.load(eta_ + at * C + t)) / curvature)
            tl.store(applied_ + at * C + t, step)
        into_w = (tl.load(A_ + at * C * C + (C - 1) * C + t) * step)[:, None]
        into_s = (tl.load(E_ + at * C * C + (C - 1) * C + t) * step)[:, None]
        keep, carried = tl.load(keep_ + at * C + C - 1), tl.load(carried_ + at * C + C - 1)
        carry = tl.load(carry_ + at)
        kt, at_ = tl.trans(k), tl.trans(a)
        g1 = h * slope
        w1 = added(keep * w1 + carried * s1, kt, -into_w * g1, PRECISION)
        s1 = added(carry * s1, kt, -into_s * g1, PRECISION)
        w2 = added(keep * w2 + carried * s2, at_, -into_w * g2, PRECISION)
        s2 = added(carry * s2, at_, -into_s * g2, PRECISION)
    tl.store(w1_end_ + here + df, w1)
    tl.store(s1_end_ + here + df, s1)
    tl.store(w2_end_ + here + fd, w2)
    tl.store(s2_end_ + here + fd, s2)


@triton.jit
def reads_kernel(
    q_, k_, v_, step_, A_, keep_, carried_, all_w1_, all_s1_, all_w2_, all_s2_, reads_,
    C: tl.constexpr, D: tl.constexpr, F: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """One program a chunk: what its tokens read, from the W and S that it began with."""
    at = tl.program_id(0).to(tl.int64)
    t, d, f = tl.arange(0, C), tl.arange(0, D), tl.arange(0, F)
    td, df, fd = t[:, None] * D + d, d[:, None] * F + f, f[:, None] * D + d
    k, v = tl.load(k_ + at * C * D + td), tl.load(v_ + at * C * D + td)
    w1, w2 = tl.load(all_w1_ + at * D * F + df), tl.load(all_w2_ + at * D * F + fd)
    _, _, a, slope, _, g2, h = slopes(k, v, w1, w2, PRECISION)
    g1 = h * slope
    pushes = tl.load(A_ + at * C * C + t[:, None] * C + t) * tl.load(step_ + at * C + t)[None, :]
    keep, carried = tl.load(keep_ + at * C + t)[:, None], tl.load(carried_ + at * C + t)[:, None]
    q = tl.load(q_ + at * C * D + td)
    x = keep * product(q, w1, PRECISION)
    x += carried * product(q, tl.load(all_s1_ + at * D * F + df), PRECISION)
    x = added(x, -product(q, tl.trans(k), PRECISION) * pushes, g1, PRECISION)
    x = x * tl.sigmoid(x)
    y = keep * product(x, w2, PRECISION)
    y += carried * product(x, tl.load(all_s2_ + at * D * F + fd), PRECISION)
    y = added(y, -product(x, tl.trans(a), PRECISION) * pushes, g2, PRECISION)
    tl.store(reads_ + at * C * D + td, y)


@triton.jit
def pushes_kernel(
    k_, v_, all_w1_, all_s1_, all_w2_, all_s2_, a_, g1_, g2_, pushes_, sizes_, tokens, chunks,
    C: tl.constexpr, D: tl.constexpr, F: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """One program a chunk: what signals are made of. a, g1, g2; the inner products of a push with W and S, and the
    loss, each of so many tokens; |W|^2, |S|^2 and <W, S>, each of so many chunks."""
    at = tl.program_id(0).to(tl.int64)
    t, d, f = tl.arange(0, C), tl.arange(0, D), tl.arange(0, F)
    td, tf = t[:, None] * D + d, t[:, None] * F + f
    df, fd = d[:, None] * F + f, f[:, None] * D + d
    k, v = tl.load(k_ + at * C * D + td), tl.load(v_ + at * C * D + td)
    w1, w2 = tl.load(all_w1_ + at * D * F + df), tl.load(all_w2_ + at * D * F + fd)
    z1, _, a, slope, z2, g2, h = slopes(k, v, w1, w2, PRECISION)
    g1 = h * slope
    here = at * C + t
    tl.store(a_ + at * C * F + tf, a)
    tl.store(g1_ + at * C * F + tf, g1)
    tl.store(g2_ + at * C * D + td, g2)
    tl.store(pushes_ + here, tl.sum(z1 * g1, 1) + tl.sum(z2 * g2, 1))
    tl.store(pushes_ + 2 * tokens + here, tl.sum(g2 * g2, 1) / 4)  # the last slope is twice the error
    s = tl.load(all_s1_ + at * D * F + df)
    along = tl.sum(product(k, s, PRECISION) * g1, 1)
    ww, ss, ws = inner(w1, w1), inner(s, s), inner(w1, s)
    s = tl.load(all_s2_ + at * D * F + fd)
    tl.store(pushes_ + tokens + here, along + tl.sum(product(a, s, PRECISION) * g2, 1))
    tl.store(sizes_ + at, ww + inner(w2, w2))
    tl.store(sizes_ + chunks + at, ss + inner(s, s))
    tl.store(sizes_ + 2 * chunks + at, ws + inner(w2, s))
