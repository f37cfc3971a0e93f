"""What is not finite is named with its step, and the training can go on from before it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from titans_core import checkpoint
from titans_core.model import Model
from titans_core.training.guard import Diverged
from titans_core.training.loop import Training
from titans_core.training.optimizer import Optimizers
from titans_core.training.recipe import Recipe

pytestmark = pytest.mark.filterwarnings("ignore:Mismatch dtype between input and weight:UserWarning")
STREAM = np.tile(np.random.default_rng(2).permutation(4096)[:48], 60).astype(np.uint16)
RECIPE = Recipe(steps=40, batch_tokens=128, stages=((0.7, 16), (0.3, 32)))  # the second stage begins after 28
Make = Callable[..., Training]


@pytest.fixture
def make(tiny_config, tokenizer, tmp_path: Path) -> Make:
    def build(variant: str = "transformer", *, resume: bool = False, out: Path = tmp_path) -> Training:
        torch.manual_seed(3)
        model = Model(tiny_config(variant))
        model.tokenizer = tokenizer
        return Training(model, STREAM, None, RECIPE, out, resume=out if resume else None)

    return build


def steps_of(optimizers: Optimizers) -> int:
    """Steps done, as the optimiser's own state counts them: a step that is repeated has the same number again."""
    return int(optimizers.adam.state[optimizers.others[0]]["step"])


def spoil(training: Training, step: int, name: str, value: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """That step's update puts `value` into one weight."""
    update = Optimizers.update

    def spoiling(self: Optimizers) -> None:
        update(self)
        if steps_of(self) == step:
            training.model.get_parameter(name).data.view(-1)[0] = value

    monkeypatch.setattr(Optimizers, "update", spoiling)


@pytest.mark.parametrize(
    ("step", "name", "value", "kept"),
    [
        (7, "embed.weight", math.nan, 0),
        (20, "blocks.1.feed_forward.up.weight", math.inf, 0),
        (21, "blocks.0.feed_forward.down.weight", -math.inf, 20),
        (30, "norm.weight", math.nan, 28),
        (40, "blocks.1.norm.weight", math.inf, 28),
    ],
)
def test_a_weight_that_is_not_finite_is_named_and_undone(
    step: int, name: str, value: float, kept: int, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = make(out=tmp_path / "whole")
    whole.run()
    training = make()
    with monkeypatch.context() as patch:
        spoil(training, step, name, value, patch)
        with pytest.raises(
            Diverged, match=rf"^step {step}: the weight of {name} is not finite; the state after step {kept} is kept$"
        ):
            training.run()
    assert json.loads((tmp_path / "config.json").read_text())["training"]["step"] == kept
    assert all(p.isfinite().all() for p in checkpoint.load(tmp_path, "cpu").parameters())
    again = make(resume=True)
    assert again.step == kept
    again.run()
    assert all(map(torch.equal, again.model.parameters(), whole.model.parameters()))
    for one, two in zip(again.optimizers.tensors().values(), whole.optimizers.tensors().values(), strict=True):
        assert torch.equal(one, two)


@pytest.mark.parametrize(
    ("variant", "module"),
    [
        ("transformer", "blocks.1.feed_forward.up"),
        ("mag", "blocks.0.memory.qkv"),
        ("mac", "blocks.1.attention.qkv"),
    ],
)
@pytest.mark.parametrize("step", [5, 28])
def test_a_module_that_overflows_is_named(variant: str, module: str, step: int, make: Make, monkeypatch) -> None:
    training = make(variant)
    spoil(training, step, f"{module}.weight", 3.3e38, monkeypatch)  # a finite weight: the next step's outputs are not
    kept = 28 if step == 28 else 0
    with pytest.raises(
        Diverged, match=rf"^step {step + 1}: the output of {module} is not finite; the state after step {kept} is kept$"
    ):
        training.run()


def test_a_gradient_that_is_not_finite_is_named(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    training = make("mac")
    spoil(training, 5, "blocks.1.mix.weight", 3.3e38, monkeypatch)  # the norm after it hides that, but not backwards
    with pytest.raises(Diverged, match=r"^step 6: the gradient of blocks\.1\.\w+\.weight is not finite; .* 0 is kept$"):
        training.run()


def test_what_does_not_come_again_is_told_so(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    training, calls = make(), []
    update = Optimizers.update

    def once(self: Optimizers) -> None:
        update(self)
        calls.append(0)
        if len(calls) == 40:
            training.model.norm.weight.data[0] = math.nan

    monkeypatch.setattr(Optimizers, "update", once)
    said = (
        r"^steps 29 to 40: the weight of norm\.weight is not finite, but it is when they are repeated; .* 28 is kept$"
    )
    with pytest.raises(Diverged, match=said):
        training.run()
    assert make(resume=True).step == 28


def test_a_model_that_is_spoiled_from_the_start_is_told(make: Make) -> None:
    training = make()
    training.model.get_parameter("blocks.0.feed_forward.up.weight").data[0, 0] = math.nan
    training.guard.keep(0)
    with pytest.raises(Diverged, match=r"^step 1: the output of blocks\.0\.feed_forward\.up is not finite"):
        training.run()
