"""The kernels of `triton.py`. Only imported where the triton library is there.

Names follow `linear.py`: r right-hand side, z = solve r, X the state [W | S] at the start of a block; d* are gradients.
Vectors of a block are loaded as (C,) and broadcast over columns.
"""

# Kernels are compiled from this source: pointers have no types, and a function's length is the length of its program.
# mypy: ignore-errors
# ruff: noqa: PLR0915

import triton
import triton.language as tl


@triton.jit
def forward_kernel(
    q_, k_, v_, solve_, attend_, keep_, carried_, keep_before_, carried_before_, into_w_, into_s_, carry_, w0_, s0_,
    reads_, all_w_, all_s_, w_, s_,
    N, C: tl.constexpr, D: tl.constexpr, V: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    row, part = tl.program_id(0).to(tl.int64), tl.program_id(1)
    t, d, j = tl.arange(0, C), tl.arange(0, D), part * V + tl.arange(0, V)
    td, tj, tt, dj = t[:, None] * D + d, t[:, None] * D + j, t[:, None] * C + t, d[:, None] * D + j
    w = tl.load(w0_ + row * D * D + dj)
    s = tl.load(s0_ + row * D * D + dj)
    for n in range(N):
        at = row * N + n
        tl.store(all_w_ + at * D * D + dj, w)
        tl.store(all_s_ + at * D * D + dj, s)
        k, q = tl.load(k_ + at * C * D + td), tl.load(q_ + at * C * D + td)
        v = tl.load(v_ + at * C * D + tj)
        keep, carried = tl.load(keep_ + at * C + t), tl.load(carried_ + at * C + t)
        keep_before, carried_before = tl.load(keep_before_ + at * C + t), tl.load(carried_before_ + at * C + t)
        into_w, into_s = tl.load(into_w_ + at * C + t), tl.load(into_s_ + at * C + t)
        right = keep_before[:, None] * tl.dot(k, w, input_precision=PRECISION) - v
        right += carried_before[:, None] * tl.dot(k, s, input_precision=PRECISION)
        z = tl.dot(tl.load(solve_ + at * C * C + tt), right, input_precision=PRECISION)
        read = keep[:, None] * tl.dot(q, w, input_precision=PRECISION)
        read += carried[:, None] * tl.dot(q, s, input_precision=PRECISION)
        read -= tl.dot(tl.load(attend_ + at * C * C + tt), z, input_precision=PRECISION)
        tl.store(reads_ + at * C * D + tj, read)
        keep_end, carried_end = tl.load(keep_ + at * C + C - 1), tl.load(carried_ + at * C + C - 1)
        kt = tl.trans(k)
        w = keep_end * w + carried_end * s - tl.dot(kt, into_w[:, None] * z, input_precision=PRECISION)
        s = tl.load(carry_ + at) * s - tl.dot(kt, into_s[:, None] * z, input_precision=PRECISION)
    tl.store(w_ + row * D * D + dj, w)
    tl.store(s_ + row * D * D + dj, s)


@triton.jit
def backward_kernel(
    q_, k_, v_, solve_, attend_, keep_, carried_, keep_before_, carried_before_, into_w_, into_s_, carry_,
    all_w_, all_s_, dreads_, dw_end_, ds_end_,
    dq_, dk_, dsolve_, dattend_, dkeep_, dcarried_, dkeep_before_, dcarried_before_, dinto_w_, dinto_s_, dcarry_,
    dv_, dw_, ds_,
    SHARED, N, C: tl.constexpr, D: tl.constexpr, V: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    row, part = tl.program_id(0).to(tl.int64), tl.program_id(1)
    t, d, j = tl.arange(0, C), tl.arange(0, D), part * V + tl.arange(0, V)
    td, tj, tt, dj = t[:, None] * D + d, t[:, None] * D + j, t[:, None] * C + t, d[:, None] * D + j
    dw = tl.load(dw_end_ + row * D * D + dj)
    ds = tl.load(ds_end_ + row * D * D + dj)
    share = part.to(tl.int64) * SHARED  # where this program's part of what the columns have in common begins
    for back in range(N):
        at = row * N + N - 1 - back
        w, s = tl.load(all_w_ + at * D * D + dj), tl.load(all_s_ + at * D * D + dj)
        k, q = tl.load(k_ + at * C * D + td), tl.load(q_ + at * C * D + td)
        v, dy = tl.load(v_ + at * C * D + tj), tl.load(dreads_ + at * C * D + tj)
        keep, carried = tl.load(keep_ + at * C + t), tl.load(carried_ + at * C + t)
        keep_before, carried_before = tl.load(keep_before_ + at * C + t), tl.load(carried_before_ + at * C + t)
        into_w, into_s = tl.load(into_w_ + at * C + t), tl.load(into_s_ + at * C + t)
        solve, attend = tl.load(solve_ + at * C * C + tt), tl.load(attend_ + at * C * C + tt)
        right = keep_before[:, None] * tl.dot(k, w, input_precision=PRECISION) - v
        right += carried_before[:, None] * tl.dot(k, s, input_precision=PRECISION)
        z = tl.dot(solve, right, input_precision=PRECISION)

        dz = -tl.dot(tl.trans(attend), dy, input_precision=PRECISION)
        dz -= into_w[:, None] * tl.dot(k, dw, input_precision=PRECISION)
        dz -= into_s[:, None] * tl.dot(k, ds, input_precision=PRECISION)
        tl.store(dattend_ + share + at * C * C + tt, -tl.dot(dy, tl.trans(z), input_precision=PRECISION))
        to_w = -tl.dot(z, tl.trans(dw), input_precision=PRECISION)  # gradient of the row into_w * k
        to_s = -tl.dot(z, tl.trans(ds), input_precision=PRECISION)
        dk = into_w[:, None] * to_w + into_s[:, None] * to_s
        tl.store(dinto_w_ + share + at * C + t, tl.sum(k * to_w, 1))
        tl.store(dinto_s_ + share + at * C + t, tl.sum(k * to_s, 1))

        dright = tl.dot(tl.trans(solve), dz, input_precision=PRECISION)
        tl.store(dsolve_ + share + at * C * C + tt, tl.dot(dz, tl.trans(right), input_precision=PRECISION))
        tl.store(dv_ + at * C * D + tj, -dright)
        from_w = tl.dot(dright, tl.trans(w), input_precision=PRECISION)
        from_s = tl.dot(dright, tl.trans(s), input_precision=PRECISION)
        dk += keep_before[:, None] * from_w + carried_before[:, None] * from_s
        tl.store(dkeep_before_ + share + at * C + t, tl.sum(k * from_w, 1))
        tl.store(dcarried_before_ + share + at * C + t, tl.sum(k * from_s, 1))
        tl.store(dk_ + share + at * C * D + td, dk)
        read_w = tl.dot(dy, tl.trans(w), input_precision=PRECISION)
        read_s = tl.dot(dy, tl.trans(s), input_precision=PRECISION)
        ends = t == C - 1  # the last token's also decide what is left of W and S
        dkeep = tl.sum(q * read_w, 1) + tl.where(ends, tl.sum(tl.sum(dw * w, 1), 0), 0.0)
        dcarried = tl.sum(q * read_s, 1) + tl.where(ends, tl.sum(tl.sum(dw * s, 1), 0), 0.0)
        tl.store(dkeep_ + share + at * C + t, dkeep)
        tl.store(dcarried_ + share + at * C + t, dcarried)
        tl.store(dq_ + share + at * C * D + td, keep[:, None] * read_w + carried[:, None] * read_s)

        keep_end, carried_end = tl.load(keep_ + at * C + C - 1), tl.load(carried_ + at * C + C - 1)
        carry = tl.load(carry_ + at)
        tl.store(dcarry_ + share + at, tl.sum(tl.sum(ds * s, 1), 0))
        qt, kt = tl.trans(q), tl.trans(k)
        ds = carried_end * dw + carry * ds
        ds += tl.dot(kt, carried_before[:, None] * dright, input_precision=PRECISION)
        ds += tl.dot(qt, carried[:, None] * dy, input_precision=PRECISION)
        dw = keep_end * dw + tl.dot(kt, keep_before[:, None] * dright, input_precision=PRECISION)
        dw += tl.dot(qt, keep[:, None] * dy, input_precision=PRECISION)
    tl.store(dw_ + row * D * D + dj, dw)
    tl.store(ds_ + row * D * D + dj, ds)
