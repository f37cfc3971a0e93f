"""The signals of `signals.py` as kernels, one program a chunk. Only imported where the triton library is there.

Names follow `signals.closed_form`. Products and sums over two tokens are in float32 first, what is of one token in
float64: a momentum that fades has squares far below float32's range. A chunk where a squared norm comes out small
beside the sum of its terms' sizes is marked, and done again in float64 alone by a second launch.
"""

# Kernels are compiled from this source: pointers have no types, and a function's length is the length of its program.
# mypy: ignore-errors
# ruff: noqa: SIM102, SIM300

import triton
import triton.language as tl

from titans_core.memory.triton_parts import decay, decay_before, inner, times

PART = tl.constexpr(16)
NAMES = ("loss", "surprise", "past_surprise", "momentum", "alignment", "update", "forgotten", "memory")  # in this order


@triton.jit
def _product(a, b, FEW: tl.constexpr, EXACT: tl.constexpr):
    """a @ b with all the digits of float64, or with as many as FEW has."""
    if EXACT:
        return tl.dot(a.to(tl.float64), b.to(tl.float64), out_dtype=tl.float64)
    else:
        return tl.dot(a, b, input_precision=FEW)


@triton.jit
def _gram(a, g, FEW: tl.constexpr, EXACT: tl.constexpr):
    return _product(a, tl.trans(a), FEW, EXACT) * _product(g, tl.trans(g), FEW, EXACT)


@triton.jit
def _wide(x, EXACT: tl.constexpr):
    return x.to(tl.float64) if EXACT else x


@triton.jit
def _shift(x, first, t):
    """x_{t-1}; first at t = 0."""
    return tl.where(t == 0, first, tl.gather(x, tl.maximum(t - 1, 0), 0))


@triton.jit
def _step(keep_a, add_a, keep_b, add_b):
    return keep_a * keep_b, add_a * keep_b + add_b


@triton.jit
def _carry_on(keep, add, first):
    """y_t = keep_t y_{t-1} + add_t from y_{-1} = first."""
    kept, added = tl.associative_scan((keep, add), 0, _step)
    return kept * first + added


@triton.jit
def _decays(eta, kept_before, t, FEW: tl.constexpr, EXACT: tl.constexpr):
    """E, and A with every row moved down by one. kept_before: of the token before each, anything at the first."""
    row, column = t[:, None], t[None, :]
    E = decay(eta, row, column)
    return E, _product(decay_before(kept_before, row, column), E, FEW, EXACT)


@triton.jit
def _store(
    gram, weights_push, momentum_push, loss, w2, s2, ws, step_, eta_, alpha_, E, before, out_, lost_, at, size,
    C: tl.constexpr, FEW: tl.constexpr, EXACT: tl.constexpr,
):  # fmt: skip
    """`signals.closed_form` of one chunk. before: A with every row moved down by one. size: of one signal in all."""
    t = tl.arange(0, C)
    row, column = t[:, None], t[None, :]
    here = at * C + t
    theta, eta = tl.load(step_ + here).to(tl.float64), tl.load(eta_ + here).to(tl.float64)
    alpha = tl.load(alpha_ + here).to(tl.float64)
    keep = 1 - alpha
    surprise2 = tl.maximum(tl.sum(tl.where(row == column, gram, 0.0), 1), 0.0).to(tl.float64)
    pushed = gram * _wide(tl.load(step_ + here), EXACT)[None, :]  # <u_t, u_i> but for theta_t
    u2 = surprise2 * theta * theta
    carry = tl.associative_scan(eta, 0, times)
    wu, su = -theta * weights_push, -theta * momentum_push
    p = carry * su + theta * tl.sum(tl.where(row > column, E, 0.0) * pushed, 1)
    kept_before = _shift(tl.associative_scan(keep, 0, times), 1.0, t)
    carried_before = _shift(_carry_on(keep, carry, 0.0), 0.0, t)
    m = kept_before * wu + carried_before * su + theta * tl.sum(before * pushed, 1)

    S2 = tl.maximum(_carry_on(eta * eta, 2 * p + u2, s2), 0.0)
    x = _carry_on(keep * eta, keep * m + S2, ws)
    y = eta * _shift(x, ws, t) + m
    M2 = tl.maximum(_carry_on(keep * keep, 2 * keep * y + S2, w2), 0.0)
    M2_before = _shift(M2, w2, t)
    past2 = eta * eta * _shift(S2, s2, t)
    change = tl.maximum(alpha * alpha * M2_before - 2 * alpha * y + S2, 0.0)
    if not EXACT:
        # float32 is wrong by 3e-7 of the sizes, TF32 by some 1e-4: of the norm, 1e-4 and 2e-3 of what is left
        SMALL: tl.constexpr = 2e-3 if FEW == "tf32x3" else 5e-2
        few = S2 < SMALL * _carry_on(eta * eta, 2 * tl.abs(p) + u2, s2)
        few |= M2 < SMALL * _carry_on(keep * keep, 2 * keep * tl.abs(y) + S2, w2)
        few |= change < SMALL * (alpha * alpha * M2_before + 2 * alpha * tl.abs(y) + S2)
        tl.store(lost_ + at, tl.max(few.to(tl.int32), 0))
    alignment = p / (tl.sqrt(past2) * tl.sqrt(u2))  # NaN where there is no momentum or no push
    alignment = tl.where(alignment > 1, 1.0, tl.where(alignment < -1, -1.0, alignment))
    tl.store(out_ + here, loss)
    tl.store(out_ + size + here, tl.sqrt(surprise2))
    tl.store(out_ + 2 * size + here, tl.sqrt(past2))
    tl.store(out_ + 3 * size + here, tl.sqrt(S2))
    tl.store(out_ + 4 * size + here, alignment)
    tl.store(out_ + 5 * size + here, tl.sqrt(change))
    tl.store(out_ + 6 * size + here, alpha * tl.sqrt(M2_before))
    tl.store(out_ + 7 * size + here, tl.sqrt(M2))


@triton.jit
def deep_kernel(
    k_, a_, g1_, g2_, pushes_, sizes_, step_, eta_, alpha_, A_, E_, all_w1_, all_s1_, all_w2_, all_s2_, out_, lost_,
    tokens, chunks,
    C: tl.constexpr, D: tl.constexpr, F: tl.constexpr, FEW: tl.constexpr, EXACT: tl.constexpr,
):  # fmt: skip
    """Of a memory of two layers, from what `triton_deep_forward.pushes_kernel` leaves."""
    at = tl.program_id(0).to(tl.int64)
    if EXACT:
        if tl.load(lost_ + at) == 0:
            return
    t, d, f = tl.arange(0, C), tl.arange(0, D), tl.arange(0, F)
    td, tf = t[:, None] * D + d, t[:, None] * F + f
    row, column = t[:, None], t[None, :]
    here = at * C + t
    k, g2 = tl.load(k_ + at * C * D + td), tl.load(g2_ + at * C * D + td)
    if EXACT:
        df, fd = d[:, None] * F + f, f[:, None] * D + d
        a, g1 = tl.load(a_ + at * C * F + tf), tl.load(g1_ + at * C * F + tf)
        gram = _gram(k, g1, FEW, EXACT) + _gram(a, g2, FEW, EXACT)
        loss = tl.sum(_wide(g2, EXACT) * g2, 1) / 4  # the last slope is twice the error
        w, s = tl.load(all_w1_ + at * D * F + df), tl.load(all_s1_ + at * D * F + df)
        weights_push = tl.sum(_product(k, w, FEW, EXACT) * g1, 1)
        momentum_push = tl.sum(_product(k, s, FEW, EXACT) * g1, 1)
        ww, ss, ws = inner(w, w), inner(s, s), inner(w, s)
        w, s = tl.load(all_w2_ + at * D * F + fd), tl.load(all_s2_ + at * D * F + fd)
        weights_push += tl.sum(_product(a, w, FEW, EXACT) * g2, 1)
        momentum_push += tl.sum(_product(a, s, FEW, EXACT) * g2, 1)
        ww += inner(w, w)
        ss += inner(s, s)
        ws += inner(w, s)
        eta = tl.load(eta_ + here).to(tl.float64)
        kept_before = 1 - tl.load(alpha_ + here - 1, mask=t > 0, other=0.0).to(tl.float64)
        E, before = _decays(eta, kept_before, t, FEW, EXACT)
    else:
        alike1, alike2 = tl.zeros((C, C), tl.float32), tl.zeros((C, C), tl.float32)
        part = tl.arange(0, 16)
        for start in range(0, F, 16):
            x = tl.load(a_ + at * C * F + t[:, None] * F + start + part)
            y = tl.load(g1_ + at * C * F + t[:, None] * F + start + part)
            alike1 = tl.dot(x, tl.trans(x), acc=alike1, input_precision=FEW)
            alike2 = tl.dot(y, tl.trans(y), acc=alike2, input_precision=FEW)
        gram = _product(k, tl.trans(k), FEW, EXACT) * alike2 + alike1 * _product(g2, tl.trans(g2), FEW, EXACT)
        weights_push, momentum_push = tl.load(pushes_ + here), tl.load(pushes_ + tokens + here)
        loss = tl.load(pushes_ + 2 * tokens + here)
        ww, ss, ws = tl.load(sizes_ + at), tl.load(sizes_ + chunks + at), tl.load(sizes_ + 2 * chunks + at)
        E = tl.load(E_ + at * C * C + row * C + column)
        before = tl.load(A_ + at * C * C + (row - 1) * C + column, mask=row > 0, other=0.0)
    _store(
        gram, weights_push, momentum_push, loss, ww, ss, ws, step_, eta_, alpha_, E, before, out_, lost_, at, tokens,
        C, FEW, EXACT,
    )  # fmt: skip


@triton.jit
def linear_kernel(
    k_, v_, theta_, eta_, alpha_, inverse_, keep_before_, carried_before_, all_w_, all_s_, out_, lost_, size,
    C: tl.constexpr, D: tl.constexpr, FEW: tl.constexpr, EXACT: tl.constexpr,
):  # fmt: skip
    """Of a memory of one layer at chunk 1; C: the tokens of a block of `linear.py`, whose names are used."""
    at = tl.program_id(0).to(tl.int64)
    if EXACT:
        if tl.load(lost_ + at) == 0:
            return
    t, d, part = tl.arange(0, C), tl.arange(0, D), tl.arange(0, PART)
    by_w, by_s = _wide(tl.zeros((C, D), tl.float32), EXACT), _wide(tl.zeros((C, D), tl.float32), EXACT)
    alike = _wide(tl.zeros((C, C), tl.float32), EXACT)
    ww, ss, ws = tl.zeros((), tl.float64), tl.zeros((), tl.float64), tl.zeros((), tl.float64)
    for start in range(0, D, PART):  # a few columns of k at a time: more do not fit into registers
        x = tl.load(k_ + at * C * D + t[:, None] * D + start + part)
        w = tl.load(all_w_ + at * D * D + (start + part)[:, None] * D + d)
        s = tl.load(all_s_ + at * D * D + (start + part)[:, None] * D + d)
        by_w += _product(x, w, FEW, EXACT)
        by_s += _product(x, s, FEW, EXACT)
        alike += _product(x, tl.trans(x), FEW, EXACT)
        ww, ss, ws = ww + inner(w, w), ss + inner(s, s), ws + inner(w, s)
    v = tl.load(v_ + at * C * D + t[:, None] * D + d)
    right = tl.load(keep_before_ + at * C + t)[:, None] * by_w + tl.load(carried_before_ + at * C + t)[:, None] * by_s
    right = (right - v).to(tl.float32)
    g = 2 * _product(tl.load(inverse_ + at * C * C + t[:, None] * C + t), right, FEW, EXACT).to(tl.float32)
    kept_before = 1 - _wide(tl.load(alpha_ + at * C + t - 1, mask=t > 0, other=0.0), EXACT)
    E, before = _decays(_wide(tl.load(eta_ + at * C + t), EXACT), kept_before, t, FEW, EXACT)
    _store(
        alike * _product(g, tl.trans(g), FEW, EXACT), tl.sum(by_w * g, 1), tl.sum(by_s * g, 1),
        tl.sum(_wide(g, EXACT) * g, 1) / 4, ww, ss, ws, theta_, eta_, alpha_, E, before, out_, lost_,
        at, size, C, FEW, EXACT,
    )  # fmt: skip
