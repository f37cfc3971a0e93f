"""Float32 at length against float64, at random shapes, and with every buffer full of NaN before it is written.

The reference is `memory_scan` itself in float64, which test_memory.py holds to the equations to 1e-10.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from titans_core.memory import MemoryScan, memory_scan, signals
from titans_core.memory.decay import Decays
from titans_core.memory.equations import memory_steps

Inputs = tuple[Any, Any]  # q, k, v, theta, eta, alpha; weights


def drawn(seed: int, depth: int, heads: int, length: int, width: int, hidden: int, theta: float) -> Inputs:
    random = torch.Generator().manual_seed(seed)
    q, k, v = (torch.randn(1, heads, length, width, generator=random) for _ in range(3))
    gates = [most * torch.rand(1, heads, length, generator=random) for most in (theta, 0.9, 0.02)]
    widths = [width, *[hidden] * (depth - 1), width]
    weights = tuple(
        torch.randn(1, heads, a, b, generator=random) * scale
        for a, b, scale in zip(widths, widths[1:], [1.0] * (depth - 1) + [0.05], strict=False)
    )
    return [F.normalize(q, dim=-1), F.normalize(k, dim=-1), v, *gates], weights


def double(given: Inputs) -> Inputs:
    return [x.double() for x in given[0]], tuple(w.double() for w in given[1])


def assert_near(found: MemoryScan, wanted: MemoryScan, tolerance: float) -> None:
    """Reads and state in norm; every token's norms, but where pushes of the run itself cancelled in float32."""
    for got, want in zip(
        (found.reads, *found.weights, *found.momentum), (wanted.reads, *wanted.weights, *wanted.momentum), strict=True
    ):
        assert (got - want).norm() <= tolerance * want.norm()
    assert found.signals is not None
    assert wanted.signals is not None
    for name, want in wanted.signals.items():
        at_least = tolerance if name == "alignment" else tolerance * 1e-2 * want.nan_to_num().abs().max().item()
        got = found.signals[name].to(want.dtype)
        torch.testing.assert_close(got, want, rtol=tolerance, atol=at_least, equal_nan=True, msg=lambda m: name + m)  # noqa: B023


@pytest.mark.parametrize(("depth", "chunk", "theta"), [(1, 1, 0.3), (2, 64, 0.002), (2, 16, 0.008)])
def test_float32_is_within_1e_4_of_float64_after_4096_tokens(depth: int, chunk: int, theta: float) -> None:
    inputs = drawn(chunk, depth, 2, 4096, 32, 64, theta)
    (parts, weights), (fine, fine_weights) = inputs, double(inputs)
    found = memory_scan(*parts, weights, chunk=chunk, signals=True)
    assert_near(found, memory_scan(*fine, fine_weights, chunk=chunk, signals=True), 1e-4)


@pytest.fixture
def poisoned() -> Iterator[None]:
    """New tensors are full of NaN, so that whatever reads what nothing wrote is seen."""
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = True
    assert torch.empty(3).isnan().all()
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.usefixtures("poisoned")
@pytest.mark.parametrize("signals", [False, True])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_nothing_is_read_that_was_not_written(depth: int, signals: bool) -> None:
    (parts, weights), cap = double(drawn(depth, depth, 2, 203, 6, 10, 0.01)), 0.5
    for chunk, share in ((1, None), (7, None), (64, cap)):
        found = memory_scan(*parts, weights, chunk=chunk, signals=signals, step_cap=share)
        wanted = memory_steps(*parts, weights, chunk=chunk, signals=signals, step_cap=share)
        torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-11, equal_nan=True)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 1000),
    depth=st.integers(1, 3),
    heads=st.integers(1, 3),
    length=st.integers(1, 80),
    width=st.integers(1, 9),
    hidden=st.integers(1, 12),
    chunk=st.integers(1, 40),
)
def test_random_shapes(seed: int, depth: int, heads: int, length: int, width: int, hidden: int, chunk: int) -> None:
    """Of both forms, with and without gradients, to the equations."""
    parts, weights = double(drawn(seed, depth, heads, length, width, hidden, 0.02))
    wanted = memory_steps(*parts, weights, chunk=chunk, signals=True)
    for wants in (False, True):
        leaves = tuple(w.clone().requires_grad_(wants) for w in weights)
        found = memory_scan(*parts, leaves, chunk=chunk, signals=True)
        assert found.reads.requires_grad == wants
        torch.testing.assert_close(found, wanted, rtol=1e-7, atol=1e-10, equal_nan=True)


def test_pushes_that_cancel_in_a_deep_memory_keep_their_norms(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every second token takes back the push before it: what is left is 1e-3 of what was pushed, lost in float32."""
    parts, weights = drawn(3, 2, 8, 64, 16, 32, 0.01)
    k, v = parts[1][:, :, :1].expand(-1, -1, 64, -1), parts[2][:, :, :1].expand(-1, -1, 64, -1).clone()
    v[:, :, 1::2] *= -1
    weights = (weights[0], torch.zeros_like(weights[1]))
    theta, eta, alpha = (torch.full((1, 8, 64), x) for x in (1e-6, 0.9999, 0.0))
    inputs = [parts[0], k, v, theta, eta, alpha]
    fine, fine_weights = double((inputs, weights))
    wanted = momentum(fine, fine_weights)
    assert (wanted[..., 33] < 0.01 * wanted[..., 32]).all()
    torch.testing.assert_close(momentum(inputs, weights).double(), wanted, rtol=1e-4, atol=0)
    monkeypatch.setattr(signals, "LEFT", 1e-30)  # nothing is made again in float64
    monkeypatch.setattr(signals, "LEFT_WEIGHTS", 1e-30)
    assert ((momentum(inputs, weights) - wanted).abs() > 0.1 * wanted).any()


def momentum(parts: Any, weights: Any) -> torch.Tensor:
    named = memory_scan(*parts, weights, chunk=64, signals=True).signals
    assert named is not None
    return named["momentum"]


@pytest.mark.parametrize(("depth", "chunk", "block"), [(1, 1, 32), (2, 64, 64)])
def test_signals_of_a_momentum_that_has_faded(depth: int, chunk: int, block: int) -> None:
    """What is left at the start of the third chunk has a square far below what float32 can be."""
    parts, weights = drawn(block, depth, 2, 3 * block, 16, 32, 0.0)
    theta, eta, alpha = parts[3:]
    theta[..., 0] = theta[..., -1] = 1e-3
    eta[:], alpha[:] = 0.1 ** (10.5 / block), 0.0
    (fine, fine_weights) = double((parts, weights))
    found = memory_scan(*parts, weights, chunk=chunk, signals=True).signals
    wanted = memory_scan(*fine, fine_weights, chunk=chunk, signals=True).signals
    assert found is not None
    assert wanted is not None
    assert 0 < wanted["momentum"][..., 2 * block].max() < 1e-19
    for name in ("past_surprise", "momentum", "alignment"):
        got = found[name].double()
        torch.testing.assert_close(got, wanted[name], rtol=1e-3, atol=0, equal_nan=True, msg=lambda m: name + m)  # noqa: B023


@pytest.mark.parametrize(("depth", "chunk"), [(1, 1), (2, 64), (2, 16)])
def test_what_fades_does_not_become_a_number_that_processors_are_slow_with(depth: int, chunk: int) -> None:
    parts, weights = drawn(chunk, depth, 2, 128, 32, 64, 0.3 / chunk)
    theta, eta, alpha = parts[3:]
    eta.clamp_(0.2, 0.25)
    theta[:, 0, 64:] = 0  # the first head's momentum fades away
    decays = Decays.of(*(x.unflatten(-1, (-1, 64)) for x in (eta, alpha)))
    found = memory_scan(*parts, weights, chunk=chunk, signals=True)
    for x in (*decays, *found.weights, *found.momentum):
        assert not ((x != 0) & (x.abs() < torch.finfo(torch.float32).tiny)).any()
    for s in found.momentum:
        assert (s[:, 0] == 0).all()
        assert (s[:, 1] != 0).any()
    assert decays.E[decays.E > 0].min() < 1e-20, "little is left of a chunk's first token, and yet it counts"
    fine, fine_weights = double((parts, weights))
    assert_near(found, memory_scan(*fine, fine_weights, chunk=chunk, signals=True), 1e-3)
