"""Linear attention with decay against its written-out recurrence; the hybrid; causal and streaming."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from titans_core.config import ModelConfig
from titans_core.layers.lightning import LightningAttention, decay_rates, lightning_attention
from titans_core.model import Model
from titans_core.variants.lightning import LightningBlock
from titans_core.variants.transformer import TransformerBlock


def inputs(length: int, *, heads: int = 3, width: int = 4) -> list[Tensor]:
    """Random q, k, v, and a state that is not empty, in float64."""
    random = torch.Generator().manual_seed(length)
    shapes = [*[(2, heads, length, width)] * 3, (2, heads, width, width)]
    return [torch.randn(*shape, generator=random, dtype=torch.float64) for shape in shapes]


def written_out(q: Tensor, k: Tensor, v: Tensor, rates: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """One token at a time."""
    outs = []
    for t in range(q.shape[2]):
        state = torch.exp(-rates)[:, None, None] * state + k[:, :, t, :, None] * v[:, :, t, None, :]
        outs.append((q[:, :, t, None, :] @ state).squeeze(2))
    return torch.stack(outs, 2), state


def build(layers: int = 3, **changes: int) -> Model:
    """A small random model in float64 in which every weight matters."""
    shape = {"vocab": 50, "dim": 16, "heads": 2, "ffn": 24, "window": 12, "chunk": 4, "persistent": 2}
    torch.manual_seed(0)
    model = Model(ModelConfig(variant="lightning", layers=layers, **{**shape, **changes})).double()
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.3)
    return model.requires_grad_(False)


def tokens(length: int) -> Tensor:
    return torch.randint(0, 50, (2, length), generator=torch.Generator().manual_seed(length))


@pytest.mark.parametrize("rates", ["released", "steep", "none"])
@pytest.mark.parametrize("length", [1, 2, 63, 64, 65, 128, 200, 330])
def test_blocks_equal_the_recurrence(length: int, rates: str) -> None:
    q, k, v, state = inputs(length)
    per_head = {
        "released": decay_rates(3, 0, 2),
        "steep": torch.tensor([0.5, 20.0, 900.0], dtype=torch.float64),  # the last is 0 after one token
        "none": torch.zeros(3, dtype=torch.float64),
    }[rates]
    wanted, after = written_out(q, k, v, per_head, state)
    found, carried = lightning_attention(q, k, v, per_head, state)
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(carried, after, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("block", [1, 3, 16, 500])
def test_the_size_of_a_block_does_not_matter(block: int) -> None:
    q, k, v, state = inputs(77)
    rates = decay_rates(3, 1, 4)
    for found, wanted in zip(
        lightning_attention(q, k, v, rates, state, block=block), written_out(q, k, v, rates, state), strict=True
    ):
        torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-10)


def test_float32_keeps_its_digits_over_a_long_text() -> None:
    q, k, v, state = inputs(5000)
    rates = decay_rates(3, 1, 2)  # hardly any decay: everything adds up
    wanted, after = lightning_attention(q, k, v, rates, state)
    found, carried = lightning_attention(q.float(), k.float(), v.float(), rates, state.float())
    assert (found.dtype, carried.dtype) == (torch.float32, torch.float32)
    assert (found - wanted).norm() / wanted.norm() < 1e-5
    assert (carried - after).norm() / after.norm() < 1e-5


def test_gradients_are_those_of_finite_differences() -> None:
    given = [x[:1, :2].requires_grad_() for x in inputs(7)]
    rates = decay_rates(2, 0, 2)

    def run(q: Tensor, k: Tensor, v: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        return lightning_attention(q, k, v, rates, state, block=3)

    assert torch.autograd.gradcheck(run, given)


@pytest.mark.parametrize("heads", [1, 2, 3, 8])
@pytest.mark.parametrize("layers", [1, 2, 14])
def test_every_head_decays_slower_than_the_one_before_and_slower_with_depth(heads: int, layers: int) -> None:
    rates = torch.stack([decay_rates(heads, layer, layers) for layer in range(layers)])
    decays = torch.exp(-rates)
    assert ((decays > 0) & (decays < 1)).all()
    assert (decays.diff(dim=1) > 0).all()
    assert (decays.diff(dim=0) > 0).all()


def test_the_rates_are_the_released_ones() -> None:
    assert decay_rates(64, 0, 80)[[0, 63]].tolist() == pytest.approx([2**-0.125, 2**-8], rel=1e-4)
    assert decay_rates(64, 40, 80)[63].item() == pytest.approx(2**-8 * (1 - 40 / 79), rel=1e-4)
    assert decay_rates(3, 1, 2)[0].item() == pytest.approx(2 ** (-8 / 3) * 2e-5, rel=1e-3)


@pytest.mark.parametrize(
    ("layers", "softmax"), [(1, []), (2, [1]), (3, [2]), (7, [6]), (8, [7]), (12, [7]), (16, [7, 15])]
)
def test_where_the_hybrid_has_its_windows(layers: int, softmax: list[int]) -> None:
    blocks = build(layers).blocks
    assert [i for i, block in enumerate(blocks) if isinstance(block, TransformerBlock)] == softmax
    linear = [block for block in blocks if isinstance(block, LightningBlock)]
    assert len(linear) == layers - len(softmax)
    assert [(block.attention.layer, block.attention.layers) for block in linear] == [
        (i, len(linear)) for i in range(len(linear))
    ]


@pytest.mark.parametrize("layers", [1, 3])
def test_no_token_changes_anything_before_it(layers: int) -> None:
    model, ids = build(layers), tokens(150)
    before = model(ids).logits
    for t in (0, 1, 11, 12, 63, 64, 65, 127, 128, 149):
        changed = ids.clone()
        changed[:, t] = (changed[:, t] + 1) % 50
        after = model(changed).logits
        assert torch.equal(after[:, :t], before[:, :t])
        assert (after[:, t] != before[:, t]).any()


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("cuts", [[64, 128], [1, 13, 77], [149], list(range(1, 150))])
def test_any_split_gives_the_same_logits(layers: int, cuts: list[int]) -> None:
    model, ids = build(layers), tokens(150)
    whole = model(ids)
    state, logits = None, []
    for start, stop in zip([0, *cuts], [*cuts, 150], strict=True):
        out = model(ids[:, start:stop], state)
        state = out.state
        assert (state.position, state.pending.shape[1]) == (stop, 0)
        logits.append(out.logits)
    torch.testing.assert_close(torch.cat(logits, 1), whole.logits, rtol=1e-9, atol=1e-11)


def test_the_first_token_reaches_the_last_beyond_the_window() -> None:
    model, ids = build(), tokens(200)
    changed = ids.clone()
    changed[:, 0] = (changed[:, 0] + 1) % 50
    moved = (model(changed).logits[:, -1] - model(ids).logits[:, -1]).abs().amax()
    assert moved > 1e-6, "the window of the one softmax block is 12 tokens"


def test_the_state_has_one_size_at_any_length() -> None:
    model = build()
    sizes = [[tuple(x.shape) for x in model(tokens(n)).state.layers[:2]] for n in (1, 150)]
    assert sizes[0] == sizes[1] == [(2, 2, 8, 8)] * 2


def test_half_precision_does_not_reach_the_recurrence() -> None:
    torch.manual_seed(0)
    layer = LightningAttention(ModelConfig(variant="lightning", dim=16, heads=2), 0, 2)
    x = torch.randn(1, 70, 16)
    with torch.autocast("cpu", torch.bfloat16):
        _, state = layer(x, layer.start(1))
        projected = layer.qkv(x).double()  # rounded to half precision, once
    assert state.dtype == torch.float32
    q, k, v = torch.nn.functional.silu(projected).unflatten(-1, (6, -1)).transpose(1, 2).chunk(3, 1)
    wanted = written_out(q, k, v, decay_rates(2, 0, 2), layer.start(1).double())[1]
    torch.testing.assert_close(state.double(), wanted, rtol=1e-5, atol=1e-6)


def test_shipped_size_is_near_the_other_yardstick() -> None:
    counts = {v: Model(ModelConfig(variant=v)).parameter_count for v in ("transformer", "lightning")}
    assert counts["transformer"] < counts["lightning"] <= min(1.1 * counts["transformer"], 2_500_000)
    in_its_place = 192 * (192 + 1) - 4 * 192  # a gate and a norm, but no persistent tokens
    assert counts["lightning"] - counts["transformer"] == 2 * in_its_place
