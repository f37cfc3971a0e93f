"""The kernels that make `Prepared` of keys, queries and gates, and its gradients: one program per block.

Only imported where the triton library is there. Names follow `linear.py` and `decay.py`: E, B and A are matrices of
(t, s) over a block's tokens, H is carry, `before` is the row above, and d* are gradients.
"""

# Kernels are compiled from this source: pointers have no types, and a function's length is the length of its program.
# mypy: ignore-errors

import triton
import triton.language as tl

from titans_core.memory.triton_parts import decay, decay_before, gradients_of_gates


@triton.jit
def _unit_lower_inverse(minus, row, column, C: tl.constexpr):
    """(I - minus)^-1 of a strictly lower triangle, (C, C): squares on the diagonal, all at once, then joined in pairs.

    Within a square row by row, X_i = minus_i + sum_{j<i} minus_ij X_j, and the inverse is I + X.
    """
    SQUARE: tl.constexpr = 8
    inverse = tl.where(row // SQUARE == column // SQUARE, minus, 0.0)
    inside = inverse
    for i in range(1, SQUARE):
        at_i = row % SQUARE == i
        found = tl.sum(tl.where(at_i, inside, 0.0), 0)
        found += tl.sum(found[:, None] * inverse, 0)
        inverse = tl.where(at_i & (row // SQUARE == column // SQUARE), found[None, :], inverse)
    inverse += tl.where(row == column, 1.0, 0.0)
    for level in tl.static_range(4):
        size = SQUARE << level
        if size < C:
            joined = (row // (2 * size) == column // (2 * size)) & (row // size != column // size)
            between = tl.dot(tl.where(joined, minus, 0.0), inverse, input_precision="tf32x3")
            inverse += tl.dot(inverse, between, input_precision="tf32x3")
    return inverse


@triton.jit
def forward_kernel(
    q_, k_, theta_, eta_, alpha_,
    solve_, attend_, keep_, carried_, keep_before_, carried_before_, into_w_, into_s_, carry_, inverse_,
    C: tl.constexpr, D: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    at = tl.program_id(0).to(tl.int64)
    t = tl.arange(0, C)
    row, column = t[:, None], t[None, :]
    tt = row * C + column
    step, eta = 2 * tl.load(theta_ + at * C + t), tl.load(eta_ + at * C + t)
    kept = 1 - tl.load(alpha_ + at * C + t)
    E, B = decay(eta, row, column), decay(kept, row, column)
    A = tl.dot(B, E, input_precision=PRECISION)
    carry = tl.sum(tl.where(column == 0, E, 0.0), 1) * tl.sum(tl.where(t == 0, eta, 0.0), 0)
    keep = tl.sum(tl.where(column == 0, B, 0.0), 1) * tl.sum(tl.where(t == 0, kept, 0.0), 0)
    carried = tl.sum(B * carry[None, :], 1)
    tl.store(keep_ + at * C + t, keep)
    tl.store(carried_ + at * C + t, carried)
    tl.store(keep_before_ + at * C + t + 1, keep, mask=t < C - 1)
    tl.store(keep_before_ + at * C, 1.0)
    tl.store(carried_before_ + at * C + t + 1, carried, mask=t < C - 1)
    tl.store(carried_before_ + at * C, 0.0)
    last = row == C - 1
    tl.store(into_w_ + at * C + t, tl.sum(tl.where(last, A, 0.0), 0))
    tl.store(into_s_ + at * C + t, tl.sum(tl.where(last, E, 0.0), 0))
    tl.store(carry_ + at, tl.sum(tl.where(t == C - 1, carry, 0.0), 0))

    attend, alike = tl.zeros((C, C), tl.float32), tl.zeros((C, C), tl.float32)
    part = tl.arange(0, 16)
    for start in range(0, D, 16):  # a few columns at a time: more do not fit into registers
        kt = tl.trans(tl.load(k_ + at * C * D + row * D + start + part))
        q = tl.load(q_ + at * C * D + row * D + start + part)
        attend = tl.dot(q, kt, acc=attend, input_precision=PRECISION)
        alike = tl.dot(tl.trans(kt), kt, acc=alike, input_precision=PRECISION)
    tl.store(attend_ + at * C * C + tt, attend * A)
    kept_before = 1 - tl.load(alpha_ + at * C + t - 1, mask=t > 0, other=0.0)
    A_before = tl.dot(decay_before(kept_before, row, column), E, input_precision=PRECISION)
    inverse = _unit_lower_inverse(-alike * A_before * step[None, :], row, column, C)
    tl.store(inverse_ + at * C * C + tt, inverse)
    tl.store(solve_ + at * C * C + tt, step[:, None] * inverse)


@triton.jit
def backward_kernel(
    q_, k_, theta_, eta_, alpha_, inverse_,
    dsolve_, dattend_, dkeep_, dcarried_, dkeep_before_, dcarried_before_, dinto_w_, dinto_s_, dcarry_,
    dq_, dk_, dtheta_, deta_, dalpha_,
    C: tl.constexpr, D: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    at = tl.program_id(0).to(tl.int64)
    t, d = tl.arange(0, C), tl.arange(0, D)
    row, column = t[:, None], t[None, :]
    td, tt = row * D + d, row * C + column
    step, eta = 2 * tl.load(theta_ + at * C + t), tl.load(eta_ + at * C + t)
    kept = 1 - tl.load(alpha_ + at * C + t)
    eta_before = tl.load(eta_ + at * C + t - 1, mask=t > 0, other=1.0)
    kept_before = 1 - tl.load(alpha_ + at * C + t - 1, mask=t > 0, other=0.0)
    E, B = decay(eta, row, column), decay(kept, row, column)
    E_before, B_before = decay_before(eta_before, row, column), decay_before(kept_before, row, column)
    A, A_before = tl.dot(B, E, input_precision=PRECISION), tl.dot(B_before, E, input_precision=PRECISION)
    k, q = tl.load(k_ + at * C * D + td), tl.load(q_ + at * C * D + td)
    kt = tl.trans(k)

    inverse, dsolve = tl.load(inverse_ + at * C * C + tt), tl.load(dsolve_ + at * C * C + tt)
    dstep = tl.sum(dsolve * inverse, 1)
    turned = tl.trans(inverse)
    dL = tl.dot(turned, step[:, None] * dsolve, input_precision=PRECISION)
    dL = tl.where(row > column, -tl.dot(dL, turned, input_precision=PRECISION), 0.0)
    kk = tl.dot(k, kt, input_precision=PRECISION)
    dstep += tl.sum(dL * kk * A_before, 0)
    dL = dL * step[None, :]
    dkk = dL * A_before
    dattend = tl.load(dattend_ + at * C * C + tt)
    dqk = dattend * A
    tl.store(dq_ + at * C * D + td, tl.dot(dqk, k, input_precision=PRECISION))
    dk = tl.dot(dkk + tl.trans(dkk), k, input_precision=PRECISION)
    dk += tl.dot(tl.trans(dqk), q, input_precision=PRECISION)
    tl.store(dk_ + at * C * D + td, dk)
    tl.store(dtheta_ + at * C + t, 2 * dstep)

    up = tl.where(column == row + 1, 1.0, 0.0)
    dA = dattend * tl.dot(q, kt, input_precision=PRECISION) + tl.dot(up, dL * kk, input_precision="ieee")
    last = row == C - 1
    dA += tl.where(last, tl.load(dinto_w_ + at * C + t)[None, :], 0.0)
    later = t < C - 1
    dkeep = tl.load(dkeep_ + at * C + t) + tl.load(dkeep_before_ + at * C + t + 1, mask=later, other=0.0)
    dcarried = tl.load(dcarried_ + at * C + t) + tl.load(dcarried_before_ + at * C + t + 1, mask=later, other=0.0)
    deta, dkept = gradients_of_gates(
        eta, kept, E, B, E_before, B_before, dA, tl.load(dinto_s_ + at * C + t),
        dkeep, dcarried, tl.load(dcarry_ + at), t, row, column, C, PRECISION,
    )  # fmt: skip
    tl.store(deta_ + at * C + t, deta)
    tl.store(dalpha_ + at * C + t, -dkept)
