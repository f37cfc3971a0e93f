"""What several kernels share. Only imported where the triton library is there."""

# Kernels are compiled from this source: pointers have no types.
# mypy: ignore-errors

import triton
import triton.language as tl


@triton.jit
def times(a, b):
    return a * b


@triton.jit
def decay(gate, row, column):
    """L[t, s] = prod of gate[s+1..t] for s <= t, else 0."""
    factors = tl.where(row > column, gate[:, None], 1.0)
    return tl.where(row >= column, tl.associative_scan(factors, 0, times), 0.0)


@triton.jit
def decay_before(gate_before, row, column):
    """`decay` with every row moved down by one. gate_before: of the token before each, anything at the first."""
    factors = tl.where(row > column + 1, gate_before[:, None], 1.0)
    return tl.where(row > column, tl.associative_scan(factors, 0, times), 0.0)


@triton.jit
def product(a, b, PRECISION: tl.constexpr):
    """a @ b; PRECISION: of the products, "ieee", "tf32", "tf32x3" or "bf16"."""
    if PRECISION == "bf16":
        return tl.dot(a.to(tl.bfloat16), b.to(tl.bfloat16))
    else:
        return tl.dot(a, b, input_precision=PRECISION)


@triton.jit
def added(total, a, b, PRECISION: tl.constexpr):
    """total + a @ b."""
    if PRECISION == "bf16":
        return tl.dot(a.to(tl.bfloat16), b.to(tl.bfloat16), acc=total)
    else:
        return tl.dot(a, b, acc=total, input_precision=PRECISION)


@triton.jit
def gradients_of_gates(
    eta, kept, E, B, E_before, B_before, dA, dE_last, dkeep, dcarried, dcarry_last, t, row, column,
    C: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Of eta and of 1 - alpha, (C,), from those of what `decay.Decays` makes of them.

    dA: (C, C). dE_last: of E's last row. dkeep, dcarried: of every token's. dcarry_last: of carry's last.
    E_before, B_before: E and B with every row moved down by one.
    """
    first_eta, first_kept = tl.sum(tl.where(t == 0, eta, 0.0), 0), tl.sum(tl.where(t == 0, kept, 0.0), 0)
    E_first, B_first = tl.sum(tl.where(column == 0, E, 0.0), 1), tl.sum(tl.where(column == 0, B, 0.0), 1)
    carry = E_first * first_eta
    dcarry = tl.sum(B * dcarried[:, None], 0) + tl.where(t == C - 1, dcarry_last, 0.0)
    dB = tl.dot(dA, tl.trans(E), input_precision=PRECISION) + dcarried[:, None] * carry[None, :]
    dB += tl.where(column == 0, (dkeep * first_kept)[:, None], 0.0)
    dE = tl.dot(tl.trans(B), dA, input_precision=PRECISION)
    dE += tl.where(row == C - 1, dE_last[None, :], 0.0)
    dE += tl.where(column == 0, (dcarry * first_eta)[:, None], 0.0)
    # of a decay matrix L: dgate[j] = sum_s (L^T dL)[j, s] L[j-1, s]
    inside = row >= column
    deta = tl.dot(tl.trans(E), tl.where(inside, dE, 0.0), input_precision=PRECISION)
    deta = tl.sum(deta * E_before, 1) + tl.where(t == 0, tl.sum(dcarry * E_first, 0), 0.0)
    dkept = tl.dot(tl.trans(B), tl.where(inside, dB, 0.0), input_precision=PRECISION)
    dkept = tl.sum(dkept * B_before, 1) + tl.where(t == 0, tl.sum(dkeep * B_first, 0), 0.0)
    return deta, dkept


@triton.jit
def inner(a, b):
    """The sum of a * b in float64, whose squares do not vanish where those of float32 do."""
    return tl.sum(tl.sum(a.to(tl.float64) * b.to(tl.float64), 1), 0)
