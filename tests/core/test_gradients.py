"""Gradients through a memory: what a closed gate learns, and that nothing grows from segment to segment."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from titans_core.config import ModelConfig
from titans_core.layers.memory import MemoryLayer
from titans_core.model import Model


@pytest.fixture
def config(tiny_config: Callable[..., ModelConfig]) -> ModelConfig:
    return tiny_config("mac", chunk=1, writes_from=0.05)


@pytest.fixture
def layer(config: ModelConfig) -> MemoryLayer:
    torch.manual_seed(0)
    layer = MemoryLayer(config).double()
    for p in layer.parameters():
        torch.nn.init.normal_(p)
    return layer


def test_a_closed_gate_writes_nothing_but_its_own_parameters_can_open_it(layer: MemoryLayer) -> None:
    with torch.no_grad():
        layer.gates.bias[: layer.heads] = -5.0
        layer.gates.weight[: layer.heads] *= 0.01
    x = torch.randn(1, 5, layer.dim, dtype=torch.float64, requires_grad=True)
    theta = layer.gate(x).theta
    assert theta.eq(0).all()
    (-theta.sum()).backward()
    assert x.grad is not None
    assert x.grad.eq(0).all()
    assert layer.gates.bias.grad is not None
    assert (layer.gates.bias.grad[: layer.heads] < 0).all()  # down the gradient: up, open
    assert layer.gates.bias.grad[layer.heads :].eq(0).all()


def test_an_open_gate_has_the_gradient_of_its_formula(layer: MemoryLayer) -> None:
    x = torch.randn(1, 40, layer.dim, dtype=torch.float64, requires_grad=True)
    gates = layer.gate(x)
    theta, carry, _ = layer.gates(x).sigmoid().mT.chunk(3, 1)
    formula = (theta - layer.writes_from) / (1 - layer.writes_from) * (1 - carry) / (layer.chunk * layer.curvature)
    formula = formula * (1 - layer.eta_max) * (1 - gates.alpha / 2)
    written = gates.theta > 0
    assert written.any()
    assert not written.all()
    got, expected = (torch.autograd.grad(t[written].sum(), x, retain_graph=True)[0] for t in (gates.theta, formula))
    torch.testing.assert_close(got, expected)


def test_with_and_without_gradients_the_gates_are_the_same(layer: MemoryLayer) -> None:
    x = torch.randn(1, 40, layer.dim, dtype=torch.float64)
    with torch.no_grad():
        expected = layer.gate(x)
    for got, value in zip(layer.gate(x), expected, strict=True):
        assert torch.equal(got, value)


def test_a_deep_memory_learns_from_a_text_whose_first_key_is_zero(tiny_config: Callable[..., ModelConfig]) -> None:
    """Keys look back: the first has nothing to look at, and no curvature to bound the step by."""
    torch.manual_seed(0)
    model = Model(tiny_config("mag", memory_depth=2, chunk=4))
    for block in model.blocks:
        torch.nn.init.normal_(block.combine.out.weight)
    logits, *_ = model(torch.randint(0, model.config.vocab, (2, 32)))
    logits.square().mean().backward()
    for name, p in model.named_parameters():
        assert p.grad is not None, name
        assert p.grad.isfinite().all(), name
    assert model.blocks[0].memory.initial[0].grad.any()


def test_the_gradient_of_mac_does_not_grow_with_its_segments(config: ModelConfig) -> None:
    """Most gates closed, little written: if closed gates passed a gradient on, this one would be 1,700 times larger."""
    torch.manual_seed(0)
    model = Model(config)
    with torch.no_grad():
        for block in model.blocks:
            block.memory.gates.weight.normal_(std=0.3)
            block.memory.gates.bias[: config.heads] = -4.5  # theta
            block.memory.gates.bias[-config.heads :] = -20.0  # alpha
            block.combine.out.weight.normal_(std=0.25)
            block.mix.weight.normal_(std=0.25)
    segment = model.config.window
    ids = torch.randint(0, model.config.vocab, (1, 96 * segment))
    norms = []
    for segments in (6, 96):
        model.zero_grad()
        logits, *_ = model(ids[:, : segments * segment])
        logits.square().mean().backward()
        squares = [p.grad.double().square().sum() for p in model.parameters() if p.grad is not None]
        norms.append(torch.stack(squares).sum().sqrt().item())
    assert norms[1] < 20 * norms[0]
