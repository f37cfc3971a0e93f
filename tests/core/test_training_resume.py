"""Stopped at any step and resumed: the same training to the bit. And the file it is resumed from."""

from __future__ import annotations

import csv
import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from titans_core import assets, checkpoint
from titans_core.config import VARIANTS
from titans_core.errors import CheckpointError
from titans_core.model import Model
from titans_core.tasks import Prose, TaskSource
from titans_core.training.loop import Training
from titans_core.training.optimizer import Optimizers
from titans_core.training.recipe import Recipe
from titans_core.training.state import NAME, restore_state, save_state

pytestmark = pytest.mark.filterwarnings("ignore:Mismatch dtype between input and weight:UserWarning")
STEPS, BOUNDARY = 30, 12
RANDOM = int(np.random.default_rng().integers(1, STEPS))
RECIPE = Recipe(
    steps=STEPS,
    batch_tokens=384,
    stages=((0.4, 64), (0.6, 96)),
    task_share=0.5,
    tasks=(("passkey", 1.0), ("recall", 1.0)),
    answer_weight=5.0,
    fact_weight=0.1,
)


@pytest.fixture(scope="module")
def stream(tokenizer) -> np.ndarray:
    texts = [(assets.ROOT / "samples" / f"{name}.txt").read_text("utf-8") for name in ("weather-ship", "drying-oak")]
    return np.concatenate([np.append(x, tokenizer.separator) for x in tokenizer.encode_ids(texts)]).astype(np.uint16)


@pytest.fixture(scope="module")
def make(tiny_config, tokenizer, stream) -> Callable[..., Training]:
    """make(variant, out, resume=False): a training that is ready to run."""
    source = TaskSource(tokenizer, "train", Prose(stream, tokenizer))

    def build(variant: str, out: Path, *, resume: bool = False, recipe: Recipe = RECIPE, cut: int = 0) -> Training:
        torch.manual_seed(3 + resume)  # what is resumed must not depend on what was there before
        model = Model(tiny_config(variant, layers=1))
        model.tokenizer = tokenizer
        return Training(model, stream[cut:], source, recipe, out, resume=out if resume else None)

    return build


@pytest.fixture(scope="module")
def whole(make, tmp_path_factory) -> Callable[[str], dict[str, torch.Tensor]]:
    """whole(variant): all that an uninterrupted training has at its end."""
    found: dict[str, dict[str, torch.Tensor]] = {}

    def run(variant: str) -> dict[str, torch.Tensor]:
        if variant not in found:
            training = make(variant, tmp_path_factory.mktemp(variant))
            training.run()
            found[variant] = everything(training)
        return found[variant]

    return run


def everything(training: Training) -> dict[str, torch.Tensor]:
    tensors = {**training.model.state_dict(), **training.optimizers.tensors()}
    return {name: t.detach().clone() for name, t in tensors.items()}


def same(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> bool:
    return found.keys() == wanted.keys() and all(torch.equal(t, wanted[name]) for name, t in found.items())


def stop_after(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGTERM comes to this process during that step."""
    update = Optimizers.update

    def stopping(self: Optimizers) -> None:
        update(self)
        if self.adam.state[self.others[0]]["step"] == step:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Optimizers, "update", stopping)


@pytest.mark.parametrize(
    ("variant", "steps"),
    [("mag", (1,)), ("mag", (5, 6)), ("mag", (BOUNDARY,)), ("mag", (20, 27)), ("mag", (RANDOM,))]
    + [(variant, (7, 19)) for variant in VARIANTS if variant != "mag"],
    ids=str,
)
def test_a_resumed_training_ends_as_an_uninterrupted_one(variant, steps, make, whole, tmp_path) -> None:
    wanted = whole(variant)
    for step in steps:
        with pytest.MonkeyPatch.context() as patch:
            stop_after(step, patch)
            training = make(variant, tmp_path, resume=step != steps[0])
            record = training.run()
        assert (training.stopped, record["step"]) == ("SIGTERM came", step)
        assert not same(everything(training), wanted)
        assert checkpoint.load(tmp_path, "cpu").config.variant == variant
    training = make(variant, tmp_path, resume=True)
    assert training.run()["step"] == STEPS
    assert training.stopped == ""
    assert same(everything(training), wanted), f"stopped after {steps}"
    with open(tmp_path / "curve.csv", newline="") as file:
        seen = [int(row["step"]) for row in csv.DictReader(file)]
    assert seen == sorted({*steps, BOUNDARY, 20, STEPS})


def test_the_signals_have_their_old_handlers_afterwards(make, tmp_path) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    make("transformer", tmp_path).run()
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


def test_a_finished_training_stays_as_it_is(make, whole, tmp_path) -> None:
    make("mag", tmp_path).run()
    training = make("mag", tmp_path, resume=True)
    assert training.run()["step"] == STEPS
    assert same(everything(training), whole("mag"))


def test_only_the_same_training_is_resumed(make, tmp_path) -> None:
    make("mag", tmp_path).save()
    other = Recipe(**{**RECIPE.to_dict(), "seed": 2})
    for name, arguments in (("recipe", {"recipe": other}), ("corpus, by its number of tokens: ", {"cut": 1})):
        with pytest.raises(CheckpointError, match=f"belongs to another {name}"):
            make("mag", tmp_path, resume=True, **arguments)
    with pytest.raises(CheckpointError, match="belongs to another model"):
        make("mal", tmp_path, resume=True)
    with pytest.raises(CheckpointError, match=r"no training to resume in .*nothing"):
        make("mag", tmp_path / "nothing", resume=True)


def test_a_damaged_state_is_refused(make, tmp_path) -> None:
    make("lmm", tmp_path).save()
    whole_file = (tmp_path / NAME).read_bytes()
    for bad in (whole_file[:-8], whole_file[:50], b"", whole_file[:8] + b"#" + whole_file[9:]):
        (tmp_path / NAME).write_bytes(bad)
        with pytest.raises(CheckpointError, match=f"{NAME} cannot be read"):
            make("lmm", tmp_path, resume=True)
    assert not whole_file.startswith(b"\x80"), "a pickle"


def test_a_write_that_fails_half_way_leaves_the_old_state(make, whole, tmp_path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        stop_after(9, patch)
        make("mag", tmp_path).run()
    old = (tmp_path / NAME).read_bytes()
    training = make("mag", tmp_path, resume=True)
    training.step = 10
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(old) // 2, hard))  # as on a disk that is full
    try:
        with pytest.raises(OSError, match="File too large"):
            training.save()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (tmp_path / NAME).read_bytes() == old
    assert not list(tmp_path.glob("*.partial"))
    training = make("mag", tmp_path, resume=True)
    training.run()
    assert same(everything(training), whole("mag"))


def test_what_is_saved_comes_back_to_the_bit(make, tmp_path) -> None:
    training = make("mag", tmp_path)
    training.run()
    wanted = everything(training)
    save_state(tmp_path, training.model, training.optimizers, {"step": 3})
    with torch.no_grad():
        for t in (*training.model.state_dict().values(), *training.optimizers.tensors().values()):
            t.fill_(7)
    assert restore_state(tmp_path, training.model, training.optimizers, {"step": 3}) == {"step": 3}
    assert same(everything(training), wanted)
