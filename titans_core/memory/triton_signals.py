"""The signals of `signals.py` as kernels, one program a chunk. Only imported where the triton library is there.

Names follow `signals.closed_form`. What is added up there is added up in float64 here too. Products keep all digits of
float64 where the recurrence itself has IEEE float32, and of float32 where it has fewer.
"""

# Kernels are compiled from this source: pointers have no types, and a function's length is the length of its program.
# mypy: ignore-errors

import triton
import triton.language as tl

from titans_core.memory.triton_deep_forward import slopes
from titans_core.memory.triton_parts import decay, times

NAMES = ("loss", "surprise", "past_surprise", "momentum", "alignment", "update", "forgotten", "memory")  # in this order


@triton.jit
def _exact(a, b, PRECISION: tl.constexpr):
    if PRECISION == "ieee":
        return tl.dot(a.to(tl.float64), b.to(tl.float64), out_dtype=tl.float64)
    else:
        return tl.dot(a, b, input_precision="tf32x3").to(tl.float64)


@triton.jit
def _rows(a, b):
    """The inner product of every row of a with that of b."""
    return tl.sum(a.to(tl.float64) * b.to(tl.float64), 1)


@triton.jit
def _inner(a, b):
    x = a.to(tl.float64) * b.to(tl.float64)
    return tl.sum(tl.sum(x, 1), 0)


@triton.jit
def _gram(a, g, PRECISION: tl.constexpr):
    return _exact(a, tl.trans(a), PRECISION) * _exact(g, tl.trans(g), PRECISION)


@triton.jit
def _shift(x, first, t, row, column):
    return tl.sum(tl.where(column == row - 1, x[None, :], 0.0), 1) + tl.where(t == 0, first, 0.0)


@triton.jit
def _times(matrix, x):
    return tl.sum(matrix * x[None, :], 1)


@triton.jit
def _store(
    gram, weights_push, momentum_push, loss, w2, s2, ws, step_, eta_, alpha_, out_, at, size,
    C: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """`signals.closed_form` of one chunk. size: of one signal of all chunks."""
    t = tl.arange(0, C)
    row, column = t[:, None], t[None, :]
    here = at * C + t
    theta, eta = tl.load(step_ + here).to(tl.float64), tl.load(eta_ + here).to(tl.float64)
    alpha = tl.load(alpha_ + here).to(tl.float64)
    keep = 1 - alpha
    E, B = decay(eta, row, column), decay(keep, row, column)
    first_eta, first_keep = tl.sum(tl.where(t == 0, eta, 0.0), 0), tl.sum(tl.where(t == 0, keep, 0.0), 0)
    H = tl.sum(tl.where(column == 0, E, 0.0), 1) * first_eta
    beta = tl.sum(tl.where(column == 0, B, 0.0), 1) * first_keep
    carried = _times(B, H)
    kept_before = 1 - tl.load(alpha_ + here - 1, mask=t > 0, other=0.0).to(tl.float64)
    factors = tl.where(row > column + 1, kept_before[:, None], 1.0)
    B_before = tl.where(row > column, tl.associative_scan(factors, 0, times), 0.0)  # row t holds B[t-1]
    before = tl.dot(B_before, E, out_dtype=tl.float64)

    inner = gram * theta[:, None] * theta[None, :]
    surprise2 = tl.sum(tl.where(row == column, gram, 0.0), 1)
    u2 = surprise2 * theta * theta
    wu, su = -theta * weights_push, -theta * momentum_push
    p = H * su + tl.sum(tl.where(row > column, E * inner, 0.0), 1)
    m = _shift(beta, 1.0, t, row, column) * wu + _shift(carried, 0.0, t, row, column) * su + tl.sum(before * inner, 1)
    S2 = tl.maximum(H * H * s2 + _times(E * E, 2 * p + u2), 0.0)
    x = beta * H * ws + _times(B * E, keep * m + S2)
    y = eta * _shift(x, ws, t, row, column) + m
    M2 = tl.maximum(beta * beta * w2 + _times(B * B, 2 * keep * y + S2), 0.0)
    M2_before = _shift(M2, w2, t, row, column)
    past2 = eta * eta * _shift(S2, s2, t, row, column)
    change = tl.maximum(alpha * alpha * M2_before - 2 * alpha * y + S2, 0.0)
    alignment = p / tl.sqrt(past2 * u2)  # NaN where there is no momentum or no push
    alignment = tl.where(alignment > 1, 1.0, tl.where(alignment < -1, -1.0, alignment))
    tl.store(out_ + here, loss)
    tl.store(out_ + size + here, tl.sqrt(tl.maximum(surprise2, 0.0)))
    tl.store(out_ + 2 * size + here, tl.sqrt(past2))
    tl.store(out_ + 3 * size + here, tl.sqrt(S2))
    tl.store(out_ + 4 * size + here, alignment)
    tl.store(out_ + 5 * size + here, tl.sqrt(change))
    tl.store(out_ + 6 * size + here, alpha * tl.sqrt(M2_before))
    tl.store(out_ + 7 * size + here, tl.sqrt(M2))


@triton.jit
def deep_kernel(
    k_, v_, step_, eta_, alpha_, all_w1_, all_s1_, all_w2_, all_s2_, out_, size,
    C: tl.constexpr, D: tl.constexpr, F: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Of a memory of two layers."""
    at = tl.program_id(0).to(tl.int64)
    t, d, f = tl.arange(0, C), tl.arange(0, D), tl.arange(0, F)
    td, df, fd = t[:, None] * D + d, d[:, None] * F + f, f[:, None] * D + d
    k, v = tl.load(k_ + at * C * D + td), tl.load(v_ + at * C * D + td)
    w1, w2 = tl.load(all_w1_ + at * D * F + df), tl.load(all_w2_ + at * D * F + fd)
    _, _, a, slope, _, g2, g1 = slopes(k, v, w1, w2, PRECISION)
    g1 = g1 * slope
    weights_push = tl.sum(_exact(k, w1, PRECISION) * g1, 1) + tl.sum(_exact(a, w2, PRECISION) * g2, 1)
    ww = _inner(w1, w1) + _inner(w2, w2)
    s1 = tl.load(all_s1_ + at * D * F + df)
    ws, ss = _inner(w1, s1), _inner(s1, s1)
    momentum_push = tl.sum(_exact(k, s1, PRECISION) * g1, 1)
    s2 = tl.load(all_s2_ + at * D * F + fd)
    ws += _inner(w2, s2)
    ss += _inner(s2, s2)
    momentum_push += tl.sum(_exact(a, s2, PRECISION) * g2, 1)
    gram = _gram(k, g1, PRECISION) + _gram(a, g2, PRECISION)
    loss = _rows(g2, g2) / 4  # the last slope is twice the error
    _store(
        gram, weights_push, momentum_push, loss, ww, ss, ws, step_, eta_, alpha_, out_, at, size, C, PRECISION
    )  # fmt: skip


@triton.jit
def linear_kernel(
    k_, v_, theta_, eta_, alpha_, inverse_, keep_before_, carried_before_, all_w_, all_s_, out_, size,
    C: tl.constexpr, D: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Of a memory of one layer at chunk 1; C: the tokens of a block of `linear.py`, whose names are used."""
    at = tl.program_id(0).to(tl.int64)
    t, d = tl.arange(0, C), tl.arange(0, D)
    td, dd, tt = t[:, None] * D + d, d[:, None] * D + d, t[:, None] * C + t
    k, v = tl.load(k_ + at * C * D + td), tl.load(v_ + at * C * D + td)
    w, s = tl.load(all_w_ + at * D * D + dd), tl.load(all_s_ + at * D * D + dd)
    by_w, by_s = _exact(k, w, PRECISION), _exact(k, s, PRECISION)
    right = tl.load(keep_before_ + at * C + t)[:, None] * by_w + tl.load(carried_before_ + at * C + t)[:, None] * by_s
    g = 2 * _exact(tl.load(inverse_ + at * C * C + tt), (right - v).to(tl.float32), PRECISION).to(tl.float32)
    _store(
        _gram(k, g, PRECISION), tl.sum(by_w * g, 1), tl.sum(by_s * g, 1), _rows(g, g) / 4,
        _inner(w, w), _inner(s, s), _inner(w, s), theta_, eta_, alpha_, out_, at, size, C, PRECISION,
    )  # fmt: skip
