"""Every variant: causal, streaming, in the paper's order, and with a memory that matters."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from titans_core.config import VARIANTS, ModelConfig
from titans_core.errors import ConfigError
from titans_core.model import Model
from titans_core.settings import Settings
from titans_core.variants import mac

WITH_MEMORY = [v for v in VARIANTS if ModelConfig(variant=v).has_memory]


def build(variant: str, **changes: int) -> Model:
    """A small random model in float64 in which every weight matters."""
    shape = {"vocab": 50, "dim": 16, "layers": 2, "heads": 2, "ffn": 24, "window": 12, "chunk": 4, "persistent": 2}
    torch.manual_seed(0)
    model = Model(ModelConfig(variant=variant, **{**shape, **changes})).double()
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.3)
    for block in model.blocks:
        if hasattr(block, "memory"):
            block.memory.gates.bias.data[4:] = -7.0  # alpha: keep what is written
    return model.requires_grad_(False)


def tokens(length: int, batch: int = 2) -> Tensor:
    return torch.randint(0, 50, (batch, length), generator=torch.Generator().manual_seed(length))


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("variant", VARIANTS)
def test_no_token_changes_anything_before_it(variant: str, depth: int) -> None:
    model, ids = build(variant, memory_depth=depth, memory_hidden=6), tokens(61)
    before = model(ids, signals=True)
    for t in (0, 1, 5, 11, 12, 13, 30, 47, 48, 60):
        changed = ids.clone()
        changed[:, t] = (changed[:, t] + 1) % 50
        after = model(changed, signals=True)
        assert torch.equal(after.logits[:, :t], before.logits[:, :t])
        assert (after.logits[:, t] != before.logits[:, t]).any()
        for name, values in before.signals.items():
            assert torch.equal(after.signals[name][..., :t].nan_to_num(), values[..., :t].nan_to_num()), name


@pytest.mark.parametrize("variant", WITH_MEMORY)
def test_the_first_token_reaches_the_last_through_the_memory(variant: str) -> None:
    model, ids = build(variant), tokens(200)
    changed = ids.clone()
    changed[:, 0] = (changed[:, 0] + 1) % 50
    reached = [
        (model(x, settings=s).logits[:, -1]) for s in (Settings(), Settings(zero_reads=True)) for x in (ids, changed)
    ]
    assert not torch.equal(reached[0], reached[1])
    assert torch.equal(reached[2], reached[3])  # with reads zeroed only the window is left: 2 x 12 tokens


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("variant", VARIANTS)
def test_any_split_gives_the_same_logits_and_signals(variant: str, depth: int) -> None:
    model, ids = build(variant, memory_depth=depth, memory_hidden=6), tokens(61)
    whole = model(ids, signals=True)
    for cuts in ([12, 24, 61], [1, 13, 14, 40, 61], [60, 61], list(range(1, 62))):
        state, logits, named = None, [], []
        for start, stop in zip([0, *cuts], cuts, strict=False):
            out = model(ids[:, start:stop], state, signals=True)
            state = out.state
            logits.append(out.logits)
            named.append(out.signals)
        torch.testing.assert_close(torch.cat(logits, 1), whole.logits, rtol=1e-9, atol=1e-11)
        for name, values in whole.signals.items():
            joined = torch.cat([n[name] for n in named], 3)
            torch.testing.assert_close(joined, values, rtol=1e-9, atol=1e-11, equal_nan=True, msg=name)


@pytest.mark.parametrize("variant", VARIANTS)
def test_recording_changes_no_logits_and_rows_do_not_mix(variant: str) -> None:
    model, ids = build(variant), tokens(30, batch=3)
    whole = model(ids, signals=True)
    assert torch.equal(model(ids).logits, whole.logits)
    assert model(ids).signals is None
    torch.testing.assert_close(model(ids[1:2]).logits[0], whole.logits[1])


def test_mac_reads_then_attends_then_writes_per_segment(monkeypatch: pytest.MonkeyPatch) -> None:
    model = build("mac", layers=1)
    block = model.blocks[0]
    events: list[str] = []

    def spy(module: object, method: str, name: str) -> None:
        inner: Callable[..., object] = getattr(module, method)
        monkeypatch.setattr(module, method, lambda *a, **k: (events.append(name), inner(*a, **k))[1])

    spy(block.memory, "recall", "read the past")
    spy(block.attention, "forward", "attend")
    spy(block.memory, "forward", "write")
    spy(block.combine, "forward", "gate")
    model(tokens(24))
    assert isinstance(block, mac.MacBlock)
    assert events == ["read the past", "attend", "write"] * 2 + ["gate"]


def test_mac_reads_are_visible_from_their_own_token_on() -> None:
    """The read made for position j carries that position's query: earlier positions must not see it."""
    attention = build("mac").blocks[0].attention
    x, read = torch.randn(2, 1, 12, 16, dtype=torch.float64)
    changed = read.clone()
    changed[:, 7] += 1
    known = attention.known(x)
    out, share = attention(known, read)
    moved = (attention(known, changed)[0] - out).abs().amax((0, 2))
    assert (moved[:7] == 0).all()
    assert (moved[7:] > 0).all()
    torch.testing.assert_close(share.sum(-1), torch.ones(1, 2, 12, dtype=torch.float64))


@pytest.mark.parametrize("variant", ["mag", "mal", "transformer"])
def test_windowed_attention_sees_exactly_the_window(variant: str) -> None:
    model, ids = build(variant, layers=1), tokens(40)
    before = model(ids, settings=Settings(zero_reads=True)).logits[:, -1]
    for back, seen in ((11, True), (12, False)):
        changed = ids.clone()
        changed[:, -1 - back] = (changed[:, -1 - back] + 1) % 50
        moved = not torch.equal(model(changed, settings=Settings(zero_reads=True)).logits[:, -1], before)
        assert moved == seen


@pytest.mark.parametrize("chunk", [1, 4])
@pytest.mark.parametrize("variant", WITH_MEMORY)
def test_applied_steps_stay_under_their_bound(variant: str, chunk: int) -> None:
    model = build(variant, chunk=chunk)
    for p in model.parameters():
        torch.nn.init.normal_(p, std=3.0)
    signals = model(tokens(50), signals=True).signals
    assert (signals["theta"] <= (1 - signals["eta"]) / chunk + 1e-12).all()
    assert signals["memory"].isfinite().all()


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("variant", WITH_MEMORY)
def test_frozen_writes_leave_the_memory_as_it_started(variant: str, depth: int) -> None:
    model, ids = build(variant, memory_depth=depth, memory_hidden=6), tokens(61)
    frozen = model(ids, settings=Settings(freeze_writes=True), signals=True)
    for name in ("theta", "alpha", "momentum", "update", "forgotten", "read"):
        assert (frozen.signals[name] == 0).all(), name
    for block, layer in zip(model.blocks, frozen.state.layers, strict=True):
        memory = layer[1] if type(layer) is tuple else layer  # mag and mal keep attention's cache beside it
        for kept, started in zip(memory.weights, block.memory.start(2).weights, strict=True):
            assert torch.equal(kept, started)
    assert (frozen.signals["surprise"] > 0).all(), "the memory still says what it would have learned"
    zeroed = model(ids, settings=Settings(zero_reads=True))
    torch.testing.assert_close(frozen.logits, zeroed.logits, rtol=1e-9, atol=1e-11)
    assert not torch.allclose(frozen.logits, model(ids).logits)


def test_writes_frozen_later_leave_a_full_memory_as_it_is() -> None:
    for variant in WITH_MEMORY:
        model, ids = build(variant), tokens(48)
        state = model(ids[:, :24]).state
        frozen = model(ids[:, 24:], state, settings=Settings(freeze_writes=True)).state
        for before, after in zip(state.layers, frozen.layers, strict=True):
            old, new = (layer[1] if type(layer) is tuple else layer for layer in (before, after))
            pairs = zip((*old.weights, *old.momentum), (*new.weights, *new.momentum), strict=True)
            assert all(torch.equal(x, y) for x, y in pairs)
        assert any(w.any() for w in old.weights)


@pytest.mark.parametrize("gate", ["theta", "alpha"])
def test_a_gate_can_be_exactly_nothing_and_only_writing_learns_to_open_again(gate: str) -> None:
    layer = build("mal").blocks[0].memory.requires_grad_(True)
    floor = {"theta": layer.writes_from, "alpha": layer.forgets_from}[gate]
    rows = {"theta": slice(0, 2), "alpha": slice(4, 6)}[gate]
    layer.gates.weight.data.zero_()
    layer.gates.bias.data[2:4] = -100.0  # eta
    sides = torch.tensor([floor - 1e-5, floor + 1e-5], dtype=torch.float64)
    layer.gates.bias.data[rows] = sides.logit()  # one head under the floor, one over it
    found = getattr(layer.gate(torch.randn(1, 5, 16, dtype=torch.float64)), gate)
    scale = layer.chunk / (1 - layer.eta_max) if gate == "theta" else 1
    assert (found[:, 0] == 0).all()
    torch.testing.assert_close(found[:, 1], torch.full((1, 5), 1e-5 / (1 - floor) / scale, dtype=torch.float64))
    found.sum().backward()
    slope = 5 * sides * (1 - sides) / (1 - floor) / scale
    slope[0] *= gate == "theta"  # a head that forgets nothing stays so
    torch.testing.assert_close(layer.gates.bias.grad[rows], slope)


@pytest.mark.parametrize(("ablated", "gate"), [("momentum", "eta"), ("forgetting", "alpha")])
def test_an_ablated_gate_is_zero_and_the_other_is_not(ablated: str, gate: str) -> None:
    found = build("mag", **{ablated: False}).blocks[0].memory.gate(torch.randn(1, 5, 16, dtype=torch.float64))
    for name in ("eta", "alpha"):
        assert bool(getattr(found, name).any()) == (name != gate)


@pytest.mark.parametrize("variant", WITH_MEMORY)
def test_gates_alone_are_those_among_all_signals(variant: str) -> None:
    model, ids = build(variant).requires_grad_(True), torch.randint(0, 32, (2, 21))
    every, gates = model(ids, signals=True).signals, model(ids, signals="gates").signals
    assert {"theta", "eta", "alpha"} <= set(gates)
    assert "surprise" not in gates
    for name in ("theta", "eta", "alpha"):
        torch.testing.assert_close(gates[name], every[name])
        assert gates[name].requires_grad


def test_alpha_reaches_from_nothing_to_everything() -> None:
    layer = build("mal").blocks[0].memory
    layer.gates.weight.data.zero_()
    layer.gates.bias.data[4:] = torch.tensor([-1e3, 1e3])
    alpha = layer.gate(torch.zeros(1, 1, 16, dtype=torch.float64)).alpha
    assert alpha.flatten().tolist() == [0.0, 1.0]


@pytest.mark.parametrize("variant", WITH_MEMORY)
def test_a_new_memory_remembers_and_stores_a_token_under_the_one_before_it(variant: str) -> None:
    layer = Model(ModelConfig(variant=variant)).blocks[0].memory
    theta, eta, alpha = (gate[0, :, 0] for gate in layer.gate(torch.randn(1, 1, 192)))
    half_life = -math.log(2) / torch.log1p(-alpha[:-1])
    assert ((half_life > 6500) & (half_life < 7500)).all()
    assert alpha[-1] == 0
    torch.testing.assert_close(2 * theta / (1 - eta), torch.full((3,), 0.279), rtol=1e-2, atol=0)
    x = torch.randn(1, 6, 576)
    mixed, _ = layer._convolve(x, layer.start(1).tail, layer.conv)
    taken = torch.nn.functional.silu(x)
    q, k, v = mixed.chunk(3, -1)
    torch.testing.assert_close(q, taken[..., :192])
    torch.testing.assert_close(v, taken[..., 384:])
    torch.testing.assert_close(k[:, 1:], taken[:, :-1, 192:384])
    assert (k[:, 0] == 0).all(), "before the first token there is nothing to store it under"


def test_every_shipped_shape_fits_its_budget() -> None:
    for variant in VARIANTS:
        assert Model(ModelConfig(variant=variant)).parameter_count <= 2_500_000


def test_a_state_of_another_batch_is_refused() -> None:
    model = build("mal")
    state = model(tokens(9)).state
    with pytest.raises(ConfigError, match="the state holds 2 texts, but ids hold 1"):
        model(tokens(9, batch=1), state)
    with pytest.raises(ConfigError, match="another config"):
        build("mag")(tokens(9), state)


def test_no_tokens_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least one token"):
        build("mag")(torch.empty(1, 0, dtype=torch.long))


def test_the_half_life_at_the_start_is_the_config_s() -> None:
    layer = Model(ModelConfig(variant="lmm", half_life=50)).blocks[0].memory
    alpha = layer.gate(torch.zeros(1, 1, 192)).alpha[0, :, 0]
    torch.testing.assert_close((1 - alpha[:-1]) ** 50, torch.full((2,), 0.5))
    assert alpha[-1] == 0
