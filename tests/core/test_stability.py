"""No gates make a memory grow by itself: the bound of docs/math.md, held against texts made to break it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from titans_core.config import ModelConfig
from titans_core.layers.memory import Gates, MemoryLayer
from titans_core.memory.scan import memory_scan
from titans_core.model import Model

TOKENS, HEADS, WIDTH, ROWS = 600, 2, 4, 64


def extreme_gates(config: ModelConfig, seed: int) -> Gates:
    """Gates at the ends of their ranges, in random order: logits of -20 or 20, alpha mostly closed."""
    layer = MemoryLayer(config).double()
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        layer.gates.weight.copy_(torch.eye(3 * HEADS, config.dim))  # the first inputs are the logits
        layer.gates.bias.zero_()
        x = 20.0 * torch.randint(0, 2, (ROWS, TOKENS, config.dim), generator=random).mul(2).sub(1).double()
        quiet = torch.rand(ROWS, TOKENS, HEADS, generator=random) < 0.9
        x[..., 2 * HEADS : 3 * HEADS] = torch.where(quiet, -20.0, torch.randn(quiet.shape, generator=random).double())
        return layer.gate(x)


def largest(gates: Gates, keys: Tensor, eta_max: float) -> float:
    """By how much the larger of W and W + S m / (1 - m) grows at most over a text whose values are 0."""
    random = torch.Generator().manual_seed(1)
    weights = torch.randn(ROWS, HEADS, WIDTH, WIDTH, generator=random, dtype=torch.float64)
    momentum, least, most = torch.zeros_like(weights), weights.flatten(2).norm(dim=-1), 0.0
    for token in range(TOKENS):
        here = slice(token, token + 1)
        k = keys[:, :, here]
        given = (gate[..., here] for gate in gates)
        scan = memory_scan(k, k, torch.zeros_like(k), *given, (weights,), (momentum,), chunk=1)
        (weights,), (momentum,) = scan.weights, scan.momentum
        far = weights + momentum * (eta_max / (1 - eta_max) if eta_max < 1 else 0.0)
        now = torch.maximum(weights.flatten(2).norm(dim=-1), far.flatten(2).norm(dim=-1))
        most = max(most, (now / least).max().item())
    return most


def keys(same: bool) -> Tensor:
    random = torch.Generator().manual_seed(2)
    drawn = torch.randn(ROWS, HEADS, 1 if same else TOKENS, WIDTH, generator=random, dtype=torch.float64)
    return F.normalize(drawn, dim=-1).expand(-1, -1, TOKENS, -1)


@pytest.mark.parametrize("same", [True, False], ids=["one key", "many keys"])
@pytest.mark.parametrize("eta_max", [0.25, 0.5, 0.9])
def test_no_gates_make_a_memory_grow(tiny_config: Callable[..., ModelConfig], eta_max: float, same: bool) -> None:
    gates = extreme_gates(tiny_config("mag", chunk=1, eta_max=eta_max), seed=0)
    assert gates.eta.max() > 0.99 * eta_max
    assert gates.theta.max() > 0.99 * (1 - eta_max)
    assert gates.alpha.max() > 0.5
    assert largest(gates, keys(same), eta_max) < 1 + 1e-9


def test_a_write_bounded_by_its_own_token_alone_can_be_carried_too_far(
    tiny_config: Callable[..., ModelConfig],
) -> None:
    gates = extreme_gates(tiny_config("mag", chunk=1, eta_max=1.0), seed=0)
    assert largest(gates, keys(same=True), 1.0) > 1e6


@pytest.mark.parametrize(("eta_max", "taken"), [(0.1, 0.279), (0.5, 0.279), (0.75, 0.279), (0.9, 0.174), (0.99, 0.018)])
def test_a_new_memory_writes_as_much_as_the_bound_lets_it(
    tiny_config: Callable[..., ModelConfig], eta_max: float, taken: float
) -> None:
    layer = Model(tiny_config("mag", chunk=1, writes_from=0.05, eta_max=eta_max)).blocks[0].memory
    theta, eta, _ = layer.gate(torch.zeros(1, 1, layer.dim))
    torch.testing.assert_close(2 * theta / (1 - eta), torch.full_like(theta, taken), rtol=2e-2, atol=0)
