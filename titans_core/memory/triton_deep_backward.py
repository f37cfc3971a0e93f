"""The backward kernels of a memory of two layers. Only imported where the triton library is there.

Names as in `triton_deep_forward.py`; d* are gradients. Everything but W and S is computed again from them.
"""

# Kernels are compiled from this source: pointers have no types, and a function's length is the length of its program.
# mypy: ignore-errors
# ruff: noqa: PLR0915

import triton
import triton.language as tl

from titans_core.memory.triton_deep_forward import slopes
from titans_core.memory.triton_parts import added, gradients_of_gates, product


@triton.jit
def reads2_kernel(
    q_, k_, v_, step_, A_, keep_, carried_, all_w1_, all_s1_, all_w2_, all_s2_, dreads_,
    z1_, h_, g1_, g2_, dx_, da_, dg2_, dpushes_, dkeep_, dcarried_, dw2_, ds2_,
    N, C: tl.constexpr, D: tl.constexpr, F: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """One program a chunk: back through what its reads make of the second layer. Leaves z1, h, g1, g2, dx."""
    at = tl.program_id(0).to(tl.int64)
    state = (at // N) * (N + 1) + at % N  # gradients of W and S have one more place a memory: after the last chunk
    t, d, f = tl.arange(0, C), tl.arange(0, D), tl.arange(0, F)
    td, tf, tt = t[:, None] * D + d, t[:, None] * F + f, t[:, None] * C + t
    df, fd = d[:, None] * F + f, f[:, None] * D + d
    k, v = tl.load(k_ + at * C * D + td), tl.load(v_ + at * C * D + td)
    w1, w2 = tl.load(all_w1_ + at * D * F + df), tl.load(all_w2_ + at * D * F + fd)
    z1, _, a, slope, _, g2, h = slopes(k, v, w1, w2, PRECISION)
    tl.store(z1_ + at * C * F + tf, z1)
    tl.store(h_ + at * C * F + tf, h)
    tl.store(g2_ + at * C * D + td, g2)
    pushes = tl.load(A_ + at * C * C + tt) * tl.load(step_ + at * C + t)[None, :]
    keep, carried = tl.load(keep_ + at * C + t)[:, None], tl.load(carried_ + at * C + t)[:, None]
    q = tl.load(q_ + at * C * D + td)
    x = keep * product(q, w1, PRECISION) + carried * product(q, tl.load(all_s1_ + at * D * F + df), PRECISION)
    g1 = h * slope
    x = added(x, -product(q, tl.trans(k), PRECISION) * pushes, g1, PRECISION)
    tl.store(g1_ + at * C * F + tf, g1)
    sigmoid = tl.sigmoid(x)
    y = x * sigmoid

    dy = tl.load(dreads_ + at * C * D + td)
    yt = tl.trans(y)
    tl.store(dw2_ + state * D * F + fd, product(yt, keep * dy, PRECISION))
    tl.store(ds2_ + state * D * F + fd, product(yt, carried * dy, PRECISION))
    alike = product(y, tl.trans(a), PRECISION)
    tl.store(dg2_ + at * C * D + td, -product(tl.trans(alike * pushes), dy, PRECISION))
    dpushes = -product(dy, tl.trans(g2), PRECISION)
    tl.store(dpushes_ + at * C * C + tt, dpushes * alike)
    dalike = dpushes * pushes
    tl.store(da_ + at * C * F + tf, product(tl.trans(dalike), y, PRECISION))
    by_w = product(dy, tl.trans(tl.load(all_w2_ + at * D * F + fd)), PRECISION)
    by_s = product(dy, tl.trans(tl.load(all_s2_ + at * D * F + fd)), PRECISION)
    tl.store(dkeep_ + at * C + t, tl.sum(y * by_w, 1))
    tl.store(dcarried_ + at * C + t, tl.sum(y * by_s, 1))
    dx = added(keep * by_w + carried * by_s, dalike, a, PRECISION) * (sigmoid + y * (1 - sigmoid))
    tl.store(dx_ + at * C * F + tf, dx)


@triton.jit
def reads1_kernel(
    q_, k_, step_, A_, keep_, carried_, all_w1_, all_s1_, dx_,
    dq_, dk_, dg1_, dA_, dstep_, dkeep_, dcarried_, dw1_, ds1_,
    N, C: tl.constexpr, D: tl.constexpr, F: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """One program a chunk: back through the first layer. dg1_ holds g1, and dA_ the second layer's part of dpushes."""
    at = tl.program_id(0).to(tl.int64)
    state = (at // N) * (N + 1) + at % N
    t, d, f = tl.arange(0, C), tl.arange(0, D), tl.arange(0, F)
    td, tf, tt = t[:, None] * D + d, t[:, None] * F + f, t[:, None] * C + t
    df = d[:, None] * F + f
    q, k = tl.load(q_ + at * C * D + td), tl.load(k_ + at * C * D + td)
    dx, g1 = tl.load(dx_ + at * C * F + tf), tl.load(dg1_ + at * C * F + tf)
    step, A = tl.load(step_ + at * C + t), tl.load(A_ + at * C * C + tt)
    pushes = A * step[None, :]
    keep, carried = tl.load(keep_ + at * C + t)[:, None], tl.load(carried_ + at * C + t)[:, None]
    alike = product(q, tl.trans(k), PRECISION)
    dpushes = -product(dx, tl.trans(g1), PRECISION)
    tl.store(dg1_ + at * C * F + tf, -product(tl.trans(alike * pushes), dx, PRECISION))
    dalike = dpushes * pushes
    dpushes = dpushes * alike + tl.load(dA_ + at * C * C + tt)
    tl.store(dA_ + at * C * C + tt, dpushes * step[None, :])
    tl.store(dstep_ + at * C + t, tl.sum(dpushes * A, 0))
    tl.store(dk_ + at * C * D + td, product(tl.trans(dalike), q, PRECISION))
    qt = tl.trans(q)
    tl.store(dw1_ + state * D * F + df, product(qt, keep * dx, PRECISION))
    tl.store(ds1_ + state * D * F + df, product(qt, carried * dx, PRECISION))
    by_w = product(dx, tl.trans(tl.load(all_w1_ + at * D * F + df)), PRECISION)
    by_s = product(dx, tl.trans(tl.load(all_s1_ + at * D * F + df)), PRECISION)
    tl.store(dkeep_ + at * C + t, tl.load(dkeep_ + at * C + t) + tl.sum(q * by_w, 1))
    tl.store(dcarried_ + at * C + t, tl.load(dcarried_ + at * C + t) + tl.sum(q * by_s, 1))
    tl.store(dq_ + at * C * D + td, added(keep * by_w + carried * by_s, dalike, k, PRECISION))


@triton.jit
def states_kernel(
    k_, theta_, eta_, step_, A_, E_, keep_, carried_, carry_, all_w2_, z1_, h_, g2_,
    dk_, da_, dg1_, dg2_, dstep_, dw1_, ds1_, dw2_, ds2_, dz1_, dv_, dtheta_, deta_, dlast_w_, dlast_s_,
    cap, N, C: tl.constexpr, D: tl.constexpr, F: tl.constexpr, CAP: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """One program a memory, from its last chunk to its first: back through the writes and the slopes they are made of.

    The gradients of W and S pass from chunk to chunk through memory, where the reads have left each chunk's own.
    """
    memory = tl.program_id(0).to(tl.int64)
    t, d, f = tl.arange(0, C), tl.arange(0, D), tl.arange(0, F)
    td, tf = t[:, None] * D + d, t[:, None] * F + f
    df, fd = d[:, None] * F + f, f[:, None] * D + d
    for back in range(N):
        at = memory * N + N - 1 - back
        into = (memory * (N + 1) + N - 1 - back) * D * F
        out = into + D * F
        step = tl.load(step_ + at * C + t)
        last_w, last_s = tl.load(A_ + at * C * C + (C - 1) * C + t), tl.load(E_ + at * C * C + (C - 1) * C + t)
        into_w, into_s = (last_w * step)[:, None], (last_s * step)[:, None]
        keep, carried = tl.load(keep_ + at * C + C - 1), tl.load(carried_ + at * C + C - 1)
        carry = tl.load(carry_ + at)
        k = tl.load(k_ + at * C * D + td)
        z1, h = tl.load(z1_ + at * C * F + tf), tl.load(h_ + at * C * F + tf)
        sigmoid = tl.sigmoid(z1)
        a = z1 * sigmoid
        slope = sigmoid + a * (1 - sigmoid)

        # the first layer's writes: W <- keep W + carried S - k^T (into_w g1), S <- carry S - k^T (into_s g1)
        dw, ds = tl.load(dw1_ + out + df), tl.load(ds1_ + out + df)
        by_w, by_s = product(k, dw, PRECISION), product(k, ds, PRECISION)
        tl.store(ds1_ + into + df, tl.load(ds1_ + into + df) + carried * dw + carry * ds)
        dlast_w, dlast_s = -tl.sum(h * slope * by_w, 1), -tl.sum(h * slope * by_s, 1)
        dg1 = tl.load(dg1_ + at * C * F + tf) - into_w * by_w - into_s * by_s
        dh = dg1 * slope  # g1 = h slope(z1)
        dz1 = dg1 * h * sigmoid * (1 - sigmoid) * (2 + z1 * (1 - 2 * sigmoid))

        # and the second's
        dw, ds = tl.load(dw2_ + out + fd), tl.load(ds2_ + out + fd)
        g2 = tl.load(g2_ + at * C * D + td)
        by_w, by_s = product(a, dw, PRECISION), product(a, ds, PRECISION)
        dlast_w -= tl.sum(g2 * by_w, 1)
        dlast_s -= tl.sum(g2 * by_s, 1)
        dg2 = tl.load(dg2_ + at * C * D + td) - into_w * by_w - into_s * by_s
        da = added(tl.load(da_ + at * C * F + tf), -into_w * g2, tl.trans(dw), PRECISION)
        da = added(da, -into_s * g2, tl.trans(ds), PRECISION)
        tl.store(ds2_ + into + fd, tl.load(ds2_ + into + fd) + carried * dw + carry * ds)
        dw2 = tl.load(dw2_ + into + fd) + keep * dw
        tl.store(dlast_w_ + at * C + t, dlast_w * step)
        tl.store(dlast_s_ + at * C + t, dlast_s * step)
        dstep = tl.load(dstep_ + at * C + t) + last_w * dlast_w + last_s * dlast_s

        # the slopes: h = g2 W2^T, g2 = 2 (a W2 - v), a = SiLU(z1), z1 = k W1
        w2 = tl.load(all_w2_ + at * D * F + fd)
        if CAP:  # step = min(theta, cap 2 (1 - eta) / curvature), `scan._largest_step`
            rows = tl.sum(w2 * w2, 1)
            long, steep = tl.sum(k * k, 1), tl.sum(slope * slope * rows[None, :], 1)
            curvature = 2 * (tl.sum(a * a, 1) + long * steep)
            capped, bent = step < tl.load(theta_ + at * C + t), curvature > 1e-6
            room = 2 * cap / tl.maximum(curvature, 1e-6)
            tl.store(deta_ + at * C + t, tl.where(capped, -dstep * room, 0.0))
            dcurvature = tl.where(capped & bent, -dstep * step / tl.maximum(curvature, 1e-6), 0.0)
            da += 4 * dcurvature[:, None] * a
            tl.store(dk_ + at * C * D + td, tl.load(dk_ + at * C * D + td) + (4 * dcurvature * steep)[:, None] * k)
            dsteep = (2 * dcurvature * long)[:, None]
            dz1 += 2 * dsteep * slope * rows[None, :] * sigmoid * (1 - sigmoid) * (2 + z1 * (1 - 2 * sigmoid))
            dw2 += 2 * tl.sum(dsteep * slope * slope, 0)[:, None] * w2
            dstep = tl.where(capped, 0.0, dstep)
        tl.store(dtheta_ + at * C + t, dstep)
        dz2 = 2 * added(dg2, dh, w2, PRECISION)
        tl.store(dv_ + at * C * D + td, -dz2)
        da = added(da, dz2, tl.trans(w2), PRECISION)
        dw2 = added(dw2, tl.trans(dh), g2, PRECISION)
        tl.store(dw2_ + into + fd, added(dw2, tl.trans(a), dz2, PRECISION))
        dz1 += da * slope
        tl.store(dz1_ + at * C * F + tf, dz1)
        dw1 = tl.load(dw1_ + into + df) + keep * tl.load(dw1_ + out + df)
        tl.store(dw1_ + into + df, added(dw1, tl.trans(k), dz1, PRECISION))
        tl.debug_barrier()  # what one thread has stored another loads in the chunk before


@triton.jit
def keys_kernel(
    step_, A_, E_, all_w1_, all_s1_, all_w2_, all_s2_, z1_, h_, dz1_, dw1_, ds1_, dw2_, ds2_,
    dk_, dkeep_, dcarried_, dcarry_,
    N, C: tl.constexpr, D: tl.constexpr, F: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """One program a chunk: what of the gradients need not pass from chunk to chunk."""
    at = tl.program_id(0).to(tl.int64)
    out = ((at // N) * (N + 1) + at % N + 1) * D * F
    t, d, f = tl.arange(0, C), tl.arange(0, D), tl.arange(0, F)
    td, tf = t[:, None] * D + d, t[:, None] * F + f
    df, fd = d[:, None] * F + f, f[:, None] * D + d
    step = tl.load(step_ + at * C + t)
    into_w = (tl.load(A_ + at * C * C + (C - 1) * C + t) * step)[:, None]
    into_s = (tl.load(E_ + at * C * C + (C - 1) * C + t) * step)[:, None]
    z1 = tl.load(z1_ + at * C * F + tf)
    sigmoid = tl.sigmoid(z1)
    g1 = tl.load(h_ + at * C * F + tf) * (sigmoid + z1 * sigmoid * (1 - sigmoid))
    dw, ds = tl.load(dw1_ + out + df), tl.load(ds1_ + out + df)
    dk = added(tl.load(dk_ + at * C * D + td), -into_w * g1, tl.trans(dw), PRECISION)
    dk = added(dk, -into_s * g1, tl.trans(ds), PRECISION)
    w, s = tl.load(all_w1_ + at * D * F + df), tl.load(all_s1_ + at * D * F + df)
    tl.store(dk_ + at * C * D + td, added(dk, tl.load(dz1_ + at * C * F + tf), tl.trans(w), PRECISION))
    dkeep, dcarried = tl.sum(tl.sum(dw * w, 1), 0), tl.sum(tl.sum(dw * s, 1), 0)
    dcarry = tl.sum(tl.sum(ds * s, 1), 0)
    dw, ds = tl.load(dw2_ + out + fd), tl.load(ds2_ + out + fd)
    w, s = tl.load(all_w2_ + at * D * F + fd), tl.load(all_s2_ + at * D * F + fd)
    dkeep += tl.sum(tl.sum(dw * w, 1), 0)
    dcarried += tl.sum(tl.sum(dw * s, 1), 0)
    end = at * C + C - 1
    tl.store(dkeep_ + end, tl.load(dkeep_ + end) + dkeep)
    tl.store(dcarried_ + end, tl.load(dcarried_ + end) + dcarried)
    tl.store(dcarry_ + at, dcarry + tl.sum(tl.sum(ds * s, 1), 0))


@triton.jit
def gates_kernel(
    eta_, alpha_, B_, E_, dA_, dlast_w_, dlast_s_, dkeep_, dcarried_, dcarry_, deta_, dalpha_,
    C: tl.constexpr, CAP: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """One program a chunk: from the gradients of what the gates decide to those of the gates."""
    at = tl.program_id(0).to(tl.int64)
    t = tl.arange(0, C)
    row, column = t[:, None], t[None, :]
    here = at * C * C + row * C + column
    eta, kept = tl.load(eta_ + at * C + t), 1 - tl.load(alpha_ + at * C + t)
    dA = tl.load(dA_ + here) + tl.where(row == C - 1, tl.load(dlast_w_ + at * C + t)[None, :], 0.0)
    deta, dkept = gradients_of_gates(
        eta, kept, tl.load(E_ + here), tl.load(B_ + here), tl.load(E_ + here - C, mask=row > 0, other=0.0),
        tl.load(B_ + here - C, mask=row > 0, other=0.0), dA, tl.load(dlast_s_ + at * C + t),
        tl.load(dkeep_ + at * C + t), tl.load(dcarried_ + at * C + t), tl.load(dcarry_ + at), t, row, column,
        C, PRECISION,
    )  # fmt: skip
    if CAP:
        deta += tl.load(deta_ + at * C + t)
    tl.store(deta_ + at * C + t, deta)
    tl.store(dalpha_ + at * C + t, -dkept)
