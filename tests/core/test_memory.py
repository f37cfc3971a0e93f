"""The memory against its oracle, the oracle against autograd."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from titans_core.errors import ConfigError
from titans_core.memory import equations, linear, memory_scan, prepared
from titans_core.memory.equations import memory_steps

SIGNALS = {"loss", "surprise", "past_surprise", "momentum", "alignment", "update", "forgotten", "memory"}


def inputs(depth: int = 1, length: int = 63, *, batch: int = 2, heads: int = 2, width: int = 5, hidden: int = 7) -> Any:
    """Random q, k, v, theta, eta, alpha, weights, momentum in float64."""
    random = torch.Generator().manual_seed(depth * 1000 + length)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=random, dtype=torch.float64)

    def gate(most: float) -> Tensor:
        return most * torch.rand(batch, heads, length, generator=random, dtype=torch.float64)

    widths = [width, *[hidden] * (depth - 1), width]
    weights, momentum = (tuple(scale * draw(batch, heads, a, b) for a, b in pairwise(widths)) for scale in (0.3, 0.1))
    qkv = [draw(batch, heads, length, width) for _ in range(3)]
    return [*qkv, gate(0.02), gate(1.0), gate(0.1), weights, momentum]


def relative(found: Tensor, wanted: Tensor) -> float:
    return ((found - wanted).norm() / wanted.norm().clamp_min(1e-300)).item()


def assert_equal(found: Any, wanted: Any, tolerance: float = 1e-10) -> None:
    assert relative(found.reads, wanted.reads) < tolerance
    for got, want in zip((*found.weights, *found.momentum), (*wanted.weights, *wanted.momentum), strict=True):
        assert relative(got, want) < tolerance
    if wanted.signals is not None:
        assert found.signals.keys() == wanted.signals.keys()
        for name, want in wanted.signals.items():
            torch.testing.assert_close(found.signals[name], want, rtol=tolerance, atol=tolerance, equal_nan=True)


@pytest.mark.parametrize("length", [1, 7, 63, 200])
@pytest.mark.parametrize("chunk", [1, 3, 16, 64])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_scan_equals_the_oracle(depth: int, chunk: int, length: int) -> None:
    given = inputs(depth, length)
    found = memory_scan(*given, chunk=chunk, signals=True)
    assert set(found.signals or ()) == SIGNALS
    assert_equal(found, memory_steps(*given, chunk=chunk, signals=True))


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_oracle_gradient_is_autograd_of_the_written_out_loss(depth: int) -> None:
    _, k, v, *_, weights, _ = inputs(depth, 4)
    leaves = tuple(w.clone().requires_grad_() for w in weights)
    x = k[:, :, 2]
    for layer, w in enumerate(leaves):
        x = torch.einsum("bhi,bhij->bhj", x, w)
        x = x / (1 + torch.exp(-x)) if layer < depth - 1 else x
    loss = ((x - v[:, :, 2]) ** 2).sum()
    wanted = torch.autograd.grad(loss, leaves)
    assert torch.allclose(equations.loss(weights, k[:, :, 2], v[:, :, 2]).sum(), loss)
    for got, want in zip(equations.gradient(weights, k[:, :, 2], v[:, :, 2]), wanted, strict=True):
        assert relative(got, want) < 1e-13


def test_chunk_1_is_the_papers_recurrence() -> None:
    """Eqs. 13-15 with autograd's gradient at the previous weights, written here from scratch."""
    q, k, v, theta, eta, alpha, weights, momentum = inputs(2, 9, batch=1, heads=1)
    w, s, reads = [x[0, 0].clone() for x in weights], [x[0, 0].clone() for x in momentum], []

    def memory(x: Tensor, w: list[Tensor]) -> Tensor:
        return torch.nn.functional.silu(x @ w[0]) @ w[1]

    for t in range(9):
        leaves = [x.detach().requires_grad_() for x in w]
        gradient = torch.autograd.grad((memory(k[0, 0, t], leaves) - v[0, 0, t]).square().sum(), leaves)
        s = [eta[0, 0, t] * a - theta[0, 0, t] * g for a, g in zip(s, gradient, strict=True)]
        w = [(1 - alpha[0, 0, t]) * a + b for a, b in zip(w, s, strict=True)]
        reads.append(memory(q[0, 0, t], w))
    for form in (memory_scan, memory_steps):
        found = form(q, k, v, theta, eta, alpha, weights, momentum, chunk=1)
        assert relative(found.reads[0, 0], torch.stack(reads)) < 1e-12
        assert relative(found.weights[1][0, 0], w[1]) < 1e-12


@pytest.mark.parametrize("depth", [1, 2])
def test_two_passes_with_carried_state_equal_one(depth: int) -> None:
    given = inputs(depth, 80)
    whole = memory_scan(*given, chunk=16, signals=True)
    first = memory_scan(*[x[:, :, :48] for x in given[:6]], *given[6:], chunk=16, signals=True)
    second = memory_scan(*[x[:, :, 48:] for x in given[:6]], first.weights, first.momentum, chunk=16, signals=True)
    assert relative(torch.cat((first.reads, second.reads), 2), whole.reads) < 1e-12
    assert relative(second.weights[-1], whole.weights[-1]) < 1e-12
    for name in SIGNALS:
        joined = torch.cat((first.signals[name], second.signals[name]), 2)
        torch.testing.assert_close(joined, whole.signals[name], rtol=1e-10, atol=1e-12)


def test_a_batch_row_equals_that_row_alone() -> None:
    given = inputs(2, 40, batch=3)
    whole = memory_scan(*given, chunk=16, signals=True)
    alone = [x[1:2] for x in given[:6]] + [tuple(w[1:2] for w in x) for x in given[6:]]
    row = memory_scan(*alone, chunk=16, signals=True)
    assert relative(row.reads[0], whole.reads[1]) < 1e-12
    assert relative(row.signals["memory"][0], whole.signals["memory"][1]) < 1e-12


@pytest.mark.parametrize("edge", ["alpha 1", "alpha 0", "eta 0", "eta 1", "theta 0", "all at once", "near"])
def test_gates_at_and_near_their_ends(edge: str) -> None:
    given = inputs(2, 21, batch=1)
    theta, eta, alpha = given[3:6]
    for name, gate, value in (
        ("alpha 1", alpha, 1.0),
        ("alpha 0", alpha, 0.0),
        ("eta 0", eta, 0.0),
        ("eta 1", eta, 1.0),
    ):
        if edge in (name, "all at once"):
            gate[..., 3:6] = value
            gate[..., 11] = value
    if edge == "theta 0":
        theta.zero_()
    if edge == "near":
        eta[..., ::2], alpha[..., ::3], theta[..., ::5] = 1e-30, 1 - 1e-16, 1e-30
    leaves = [x.requires_grad_() for x in given[:6]]
    wanted = memory_steps(*given, chunk=8, signals=True)
    found = memory_scan(*given, chunk=8, signals=True)
    assert_equal(found, wanted)
    for result in (found, wanted):
        for x in leaves:
            x.grad = None
        (result.reads.sum() + result.weights[0].square().sum() + result.momentum[1].sum()).backward()
        if result is found:
            gradients = [x.grad for x in leaves]
    for got, leaf in zip(gradients, leaves, strict=True):
        assert got.isfinite().all()
        torch.testing.assert_close(got, leaf.grad, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("chunk", [1, 3, 4])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_gradcheck_through_everything(depth: int, chunk: int) -> None:
    given = inputs(depth, 7, batch=1, heads=1, width=2, hidden=3)
    flat = [x.requires_grad_() for x in [*given[:6], *given[6], *given[7]]]

    def scan(*args: Tensor) -> tuple[Tensor, ...]:
        out = memory_scan(*args[:6], args[6 : 6 + depth], args[6 + depth :], chunk=chunk, step_cap=0.05)
        return (out.reads, *out.weights, *out.momentum)

    assert torch.autograd.gradcheck(scan, flat)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_step_cap_bounds_the_applied_step_and_reports_it(depth: int) -> None:
    given = inputs(depth, 40)
    given[3] = given[3] * 50
    found = memory_scan(*given, chunk=16, signals=True, step_cap=0.5)
    wanted = memory_steps(*given, chunk=16, signals=True, step_cap=0.5)
    assert_equal(found, wanted)
    assert (found.signals["theta"] <= given[3]).all()
    assert (found.signals["theta"] < given[3]).float().mean() > 0.2
    applied = [*given[:3], found.signals["theta"], *given[4:]]
    assert_equal(memory_scan(*applied, chunk=16), memory_scan(*given, chunk=16, step_cap=0.5))


def test_step_cap_does_not_depend_on_how_many_tokens_follow() -> None:
    given = inputs(2, 40)
    given[3] = given[3] * 50
    whole = memory_scan(*given, chunk=16, step_cap=0.5)
    for length in (1, 5, 17, 39):
        prefix = memory_scan(*[x[:, :, :length] for x in given[:6]], *given[6:], chunk=16, step_cap=0.5)
        assert relative(prefix.reads, whole.reads[:, :, :length]) < 1e-12


@pytest.mark.parametrize("depth", [2, 3])
def test_curvature_bounds_the_gauss_newton_eigenvalue(depth: int) -> None:
    _, k, *_, weights, _ = inputs(depth, 3, batch=1, heads=1)
    x = k[0, 0, 1]

    def out(*w: Tensor) -> Tensor:
        return equations.read(tuple(a[None, None] for a in w), x[None, None])[0, 0]

    jacobian = torch.autograd.functional.jacobian(out, tuple(w[0, 0] for w in weights))
    flat = torch.cat([j.flatten(1) for j in jacobian], 1)
    largest = 2 * torch.linalg.eigvalsh(flat @ flat.T).max()
    bound = equations.curvature(weights, k[:, :, 1])[0, 0]
    assert largest <= bound * (1 + 1e-12)
    assert bound < 30 * largest


def test_norms_survive_cancelling_pushes_in_float32() -> None:
    """Pushes that cancel leave a momentum far smaller than their sizes; its norm must still be right."""
    q, k, v, *_ = (x.float() for x in inputs(1, 16, batch=1, heads=1)[:6])
    k, v = k[:, :, :1].expand_as(k).clone(), v[:, :, :1].expand_as(v).clone()
    v[:, :, 1::2] *= -1  # with weights at zero the gradient is -2 v: every second push undoes the one before
    theta, eta, alpha = (torch.full((1, 1, 16), x) for x in (0.5, 0.999999, 0.0))
    weights = (torch.zeros(1, 1, 5, 5),)
    found = memory_scan(q, k, v, theta, eta, alpha, weights, chunk=16, signals=True).signals["momentum"]
    wanted = memory_steps(
        *(x.double() for x in (q, k, v, theta, eta, alpha)), (weights[0].double(),), chunk=16, signals=True
    )
    torch.testing.assert_close(found.double(), wanted.signals["momentum"], rtol=2e-3, atol=0)


@pytest.mark.parametrize("eta", [0.0, 0.5, 0.99])
def test_a_thousand_equal_keys_at_the_largest_step_stay_bounded(eta: float) -> None:
    """The worst text for a memory that updates in chunks: theta <= (1 - eta) / chunk holds it."""
    random = torch.Generator().manual_seed(0)
    k = torch.nn.functional.normalize(torch.ones(1, 1, 1024, 8, dtype=torch.float64), dim=-1)
    v = torch.randn(1, 1, 1024, 8, generator=random, dtype=torch.float64)
    gates = [torch.full((1, 1, 1024), x, dtype=torch.float64) for x in (0.999 * (1 - eta) / 16, eta, 0.0)]
    weights = (torch.zeros(1, 1, 8, 8, dtype=torch.float64),)
    norms = memory_scan(k, k, v, *gates, weights, chunk=16, signals=True).signals["memory"]
    assert norms.max() < 40
    tripled = memory_scan(k, k, v, 3 * gates[0], *gates[1:], weights, chunk=16, signals=True).signals["memory"]
    assert eta > 0.9 or tripled.max() > 1e6  # and without the bound it does not


EDGES = [1, 31, 32, 33, 64, 65, 200]  # around the blocks of linear.py


def rectangular(length: int, rows: int, columns: int) -> Any:
    """`inputs` at depth 1 with D_in = rows and D_out = columns, keys of any length and steps that matter."""
    q, k, _, theta, eta, alpha, _, _ = inputs(1, length, width=rows)
    _, _, v, *_ = inputs(1, length, width=columns)
    random = torch.Generator().manual_seed(length)
    weights, momentum = (
        (scale * torch.randn(2, 2, rows, columns, generator=random, dtype=torch.float64),) for scale in (0.3, 0.1)
    )
    return [q, k, v, 3 * theta, eta, alpha, weights, momentum]


@pytest.mark.parametrize(("rows", "columns"), [(5, 5), (3, 8), (8, 3), (1, 6)])
@pytest.mark.parametrize("length", EDGES)
def test_blocks_of_a_matrix_memory_equal_the_oracle(length: int, rows: int, columns: int) -> None:
    given = rectangular(length, rows, columns)
    found = memory_scan(*given, chunk=1, signals=True)
    assert set(found.signals or ()) == SIGNALS
    assert_equal(found, memory_steps(*given, chunk=1, signals=True))


def test_blocks_have_the_oracles_gradients() -> None:
    """Of reads and state alike, in every input, across two whole blocks and a part of one."""
    given = rectangular(2 * linear.BLOCK + 3, 3, 4)
    leaves = [x.requires_grad_() for x in (*given[:6], *given[6], *given[7])]
    gradients = []
    for form in (memory_scan, memory_steps):
        out = form(*leaves[:6], leaves[6:7], leaves[7:], chunk=1)
        shape = torch.arange(out.reads.numel(), dtype=torch.float64).view_as(out.reads).cos()
        loss = (out.reads * shape).sum() + out.weights[0].square().sum() + out.momentum[0].sum()
        gradients.append(torch.autograd.grad(loss, leaves))
    for got, want in zip(*gradients, strict=True):
        assert want.norm() > 0
        assert relative(got, want) < 1e-9


@pytest.mark.parametrize("edge", ["alpha 1", "alpha 0", "eta 0", "eta 1", "theta 0", "all at once", "near"])
def test_blocks_at_gates_at_their_ends(edge: str) -> None:
    given = inputs(1, 70, batch=1)
    theta, eta, alpha = given[3:6]
    for name, gate, value in (
        ("alpha 1", alpha, 1.0),
        ("alpha 0", alpha, 0.0),
        ("eta 0", eta, 0.0),
        ("eta 1", eta, 1.0),
    ):
        if edge in (name, "all at once"):
            gate[..., 3:6] = value
            gate[..., 30:34] = value  # over the edge of a block
    if edge in ("theta 0", "all at once"):
        theta[..., 5:40] = 0
    if edge == "near":
        eta[..., ::2], alpha[..., ::3], theta[..., ::5] = 1e-30, 1 - 1e-16, 1e-30
    leaves = [x.requires_grad_() for x in given[:6]]
    results = [form(*given, chunk=1, signals=True) for form in (memory_scan, memory_steps)]
    assert_equal(*results)
    gradients = [
        torch.autograd.grad(r.reads.sum() + r.weights[0].square().sum() + r.momentum[0].sum(), leaves) for r in results
    ]
    for got, want in zip(*gradients, strict=True):
        assert got.isfinite().all()
        torch.testing.assert_close(got, want, rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize("eta", [0.0, 0.3, 0.9, 0.99])
def test_equal_keys_at_the_largest_step_stay_stable_in_float32(eta: float) -> None:
    """The hardest block to invert is one key over and over; theta < 1 - eta is the bound at chunk 1."""
    random = torch.Generator().manual_seed(1)
    k = torch.nn.functional.normalize(torch.ones(1, 1, 2048, 8), dim=-1)
    v = torch.randn(1, 1, 2048, 8, generator=random)
    gates = [torch.full((1, 1, 2048), x) for x in (0.999 * (1 - eta), eta, 0.0)]
    given = [k, k, v, *gates, (torch.zeros(1, 1, 8, 8),)]
    found = memory_scan(*given, chunk=1, signals=True)
    wanted = memory_steps(*[x.double() for x in given[:6]], (given[6][0].double(),), chunk=1, signals=True)
    largest = wanted.reads.abs().max().item()
    torch.testing.assert_close(found.reads.double(), wanted.reads, rtol=0, atol=5e-5 * largest)
    assert found.signals["memory"].max() < (150 if eta == 0 else 10)
    torch.testing.assert_close(found.signals["memory"].double(), wanted.signals["memory"], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("size", [1, 2, 7, 32])
def test_the_inverse_of_a_unit_lower_triangular_matrix(size: int) -> None:
    random = torch.Generator().manual_seed(size)
    lower = torch.randn(3, 2, size, size, generator=random, dtype=torch.float64).tril(-1) / size**0.5
    inverse = prepared.unit_lower_inverse(lower)
    assert relative(inverse, torch.linalg.inv(torch.eye(size) + lower)) < 1e-12
    assert torch.equal(inverse.triu(), torch.eye(size, dtype=torch.float64).expand_as(lower))


def test_the_inverse_has_first_and_second_derivatives() -> None:
    """Only what is below the diagonal counts, so only that is handed to the check."""
    random = torch.Generator().manual_seed(3)
    entries = torch.randn(2, 6, generator=random, dtype=torch.float64).requires_grad_()
    rows, columns = torch.tril_indices(4, 4, -1)

    def inverse(entries: Tensor) -> Tensor:
        lower = entries.new_zeros(2, 4, 4).index_put((torch.tensor([[0], [1]]), rows, columns), entries)
        return prepared.unit_lower_inverse(lower)

    assert torch.autograd.gradcheck(inverse, entries)
    assert torch.autograd.gradgradcheck(inverse, entries)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_blocks_show_no_token_the_future_to_the_bit(dtype: torch.dtype) -> None:
    given = [x.to(dtype) for x in inputs(1, 70)[:6]] + [tuple(w.to(dtype) for w in x) for x in inputs(1, 70)[6:]]
    before = memory_scan(*given, chunk=1, signals=True)
    for t in (0, 1, 15, 31, 32, 33, 50, 64, 69):
        changed = [x.clone() for x in given[:6]]
        for x in changed:
            x[:, :, t] = x[:, :, t] * 0.5 + 0.01
        after = memory_scan(*changed, *given[6:], chunk=1, signals=True)
        assert torch.equal(after.reads[:, :, :t], before.reads[:, :, :t])
        assert (after.reads[:, :, t] != before.reads[:, :, t]).any()
        for name, values in before.signals.items():
            assert torch.equal(after.signals[name][:, :, :t].nan_to_num(), values[:, :, :t].nan_to_num()), name


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("chunk", [1, 16])
def test_recording_signals_changes_no_bit_of_what_is_read_or_kept(chunk: int, depth: int) -> None:
    given = [x.float() for x in inputs(depth, 77)[:6]] + [tuple(w.float() for w in x) for x in inputs(depth, 77)[6:]]
    plain, recorded = (memory_scan(*given, chunk=chunk, signals=signals) for signals in (False, True))
    assert plain.signals is None
    for a, b in zip(
        (plain.reads, *plain.weights, *plain.momentum),
        (recorded.reads, *recorded.weights, *recorded.momentum),
        strict=True,
    ):
        assert torch.equal(a, b)


def test_blocks_with_carried_state_equal_one_pass_wherever_the_text_is_cut() -> None:
    """Blocks are counted from the call's first token; at chunk 1 where they fall changes rounding only."""
    given = inputs(1, 90)
    whole = memory_scan(*given, chunk=1, signals=True)
    for cut in (1, 17, 32, 45, 89):
        first = memory_scan(*[x[:, :, :cut] for x in given[:6]], *given[6:], chunk=1, signals=True)
        second = memory_scan(*[x[:, :, cut:] for x in given[:6]], first.weights, first.momentum, chunk=1, signals=True)
        assert relative(torch.cat((first.reads, second.reads), 2), whole.reads) < 1e-12
        assert relative(second.momentum[0], whole.momentum[0]) < 1e-12
        for name in SIGNALS:
            joined = torch.cat((first.signals[name], second.signals[name]), 2)
            torch.testing.assert_close(joined, whole.signals[name], rtol=1e-9, atol=1e-11, equal_nan=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"chunk": 0}, "chunk is 0"),
        ({"chunk": 2.0}, "chunk is 2.0"),
        ({"q": torch.zeros(2, 2, 5, 5)}, "q has shape"),
        ({"theta": torch.zeros(2, 2)}, "theta has shape"),
        ({"weights": ()}, "weights is empty"),
        ({"weights": (torch.zeros(2, 2, 5, 4),)}, "v has shape"),
        ({"momentum": (torch.zeros(2, 2, 5, 4),)}, "momentum\\[0\\] has shape"),
        ({"momentum": (torch.zeros(2, 2, 5, 5),) * 2}, "momentum has 2 layers and weights 1"),
        ({"k": torch.zeros(2, 2, 0, 5)}, "at least one token"),
    ],
)
def test_shapes_that_do_not_fit_are_named(change: dict[str, Any], message: str) -> None:
    names = ("q", "k", "v", "theta", "eta", "alpha", "weights", "momentum")
    given = {**dict(zip(names, inputs(1, 7), strict=True)), "chunk": 4, **change}
    with pytest.raises(ConfigError, match=message):
        memory_scan(**given)
