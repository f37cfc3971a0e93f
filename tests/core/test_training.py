"""One training from start to end, the step it is made of, and its optimisers."""

from __future__ import annotations

import csv
import itertools
import json
import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from titans_core import checkpoint
from titans_core.config import VARIANTS
from titans_core.errors import ConfigError
from titans_core.model import Model
from titans_core.tasks import Role
from titans_core.training import loop
from titans_core.training.batches import Batch
from titans_core.training.loop import Training
from titans_core.training.optimizer import Optimizers
from titans_core.training.recipe import Recipe
from titans_core.training.step import SMALL, TrainStep, lasting_writes

# RMSNorm meets bfloat16 under autocast on a CPU: slower there, not wrong
pytestmark = pytest.mark.filterwarnings("ignore:Mismatch dtype between input and weight:UserWarning")
STREAM = np.tile(np.random.default_rng(2).permutation(4096)[:48], 60).astype(np.uint16)  # 48 ids, over and over
Fresh = Callable[..., Model]


def recipe(**changes) -> Recipe:
    return Recipe(**{"steps": 40, "batch_tokens": 256, "stages": ((0.5, 16), (0.5, 32)), "other_rate": 0.02, **changes})


@pytest.fixture
def fresh(tiny_config, tokenizer) -> Fresh:
    """fresh(variant): a model with the initial values of training."""

    def build(variant: str, **changes: int) -> Model:
        torch.manual_seed(3)
        model = Model(tiny_config(variant, **changes))
        model.tokenizer = tokenizer
        return model

    return build


def train(model: Model, out: Path, **changes) -> Training:
    training = Training(model, STREAM, None, recipe(**changes), out)
    training.run()
    return training


def curve_of(out: Path) -> list[dict[str, float]]:
    with open(out / "curve.csv", newline="") as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_loss_falls_on_a_stream_that_repeats(variant: str, fresh: Fresh, tmp_path: Path) -> None:
    model = fresh(variant, chunk=8, layers=1)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    training = Training(model, STREAM, None, recipe(), tmp_path)
    record = training.run()
    curve = curve_of(tmp_path)
    assert [row["step"] for row in curve] == [20, 40]
    assert [row["window"] for row in curve] == [16, 32]
    assert [row["tokens"] for row in curve] == [20 * 256, 40 * 256]
    assert curve[1]["loss"] < 1.2 < curve[0]["loss"] < math.log(48), "knowing the frequencies alone gives log(48)"
    unchanged = [name for name, p in model.named_parameters() if torch.equal(p, before[name])]
    assert not unchanged, "these parameters were not trained"
    assert (record["step"], record["tokens"], record["device"]) == (40, 40 * 256, "cpu")
    assert training.stopped == ""


def test_the_saved_folder_loads_and_tells_its_recipe(fresh: Fresh, tmp_path: Path) -> None:
    model = fresh("mag")
    record = Training(model, STREAM, None, recipe(steps=20), tmp_path / "new").run()
    loaded = checkpoint.load(tmp_path / "new", "cpu")
    for name, p in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], p.bfloat16().float())
    meta = json.loads((tmp_path / "new" / "config.json").read_text())
    assert meta["training"] == json.loads(json.dumps(record))
    assert meta["training"]["recipe"]["steps"] == 20
    assert meta["training"]["recipe"]["stages"] == [[0.5, 16], [0.5, 32]]
    assert meta["training"]["torch"] == torch.__version__


def weights_after(model: Model, out: Path, seed: int, seconds_a_look: float, monkeypatch) -> list[torch.Tensor]:
    """The weights of 20 steps, on a clock that moves on by so much whenever it is read."""
    ticks = itertools.count()
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: seconds_a_look * next(ticks)))
    train(model, out, steps=20, seed=seed)
    return [p.detach() for p in model.parameters()]


def test_a_seed_makes_a_run_repeatable_to_the_bit(fresh: Fresh, tmp_path: Path, monkeypatch) -> None:
    one, two, other = (weights_after(fresh("lmm", layers=1), tmp_path, seed, 0.01, monkeypatch) for seed in (5, 5, 6))
    assert all(map(torch.equal, one, two))
    assert not any(map(torch.equal, one, other))


def test_the_speed_of_the_machine_does_not_matter_while_there_is_time(fresh, tmp_path: Path, monkeypatch) -> None:
    fast, slow = (weights_after(fresh("lmm", layers=1), tmp_path, 5, seconds, monkeypatch) for seconds in (0.01, 1.0))
    assert all(map(torch.equal, fast, slow))


def test_a_time_limit_stops_and_saves(fresh: Fresh, tmp_path: Path) -> None:
    training = train(fresh("lmm", layers=1), tmp_path, steps=1000, max_minutes=1e-6)
    assert training.step == 20
    assert training.stopped == "1e-06 minutes are over"
    assert json.loads((tmp_path / "config.json").read_text())["training"]["step"] == 20
    checkpoint.load(tmp_path, "cpu")


def test_the_rate_comes_down_when_time_runs_out_before_steps(fresh: Fresh, tmp_path: Path, monkeypatch) -> None:
    rates, ticks = [], itertools.count()
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: next(ticks)))
    monkeypatch.setattr(TrainStep, "__call__", lambda self, batch, fraction: rates.append(fraction) or torch.ones(5))
    training = train(fresh("transformer", layers=1), tmp_path, steps=1000, max_minutes=1)
    assert training.step == len(rates) == 60
    assert rates[25] == 1
    assert rates[50] == pytest.approx(2 * (1 - 53 / 60), abs=0.02)  # 51 looks at the clock, and one each at 20 and 40
    assert 0 < rates[-1] < 0.1


def batch_of(rows: np.ndarray, role: torch.Tensor | None = None) -> Batch:
    ids = torch.from_numpy(rows.astype(np.int32))
    role = torch.zeros(ids.shape[0], ids.shape[1] - 1, dtype=torch.uint8) if role is None else role
    return Batch(ids, role, torch.full(role.shape, 1 / role.numel()))


def test_the_loss_is_that_of_the_next_token_and_of_each_role(fresh: Fresh) -> None:
    model = fresh("mag")
    torch.nn.init.normal_(model.embed.weight)
    rows = STREAM[: 3 * 20].reshape(3, 20)
    role = torch.arange(3 * 19).view(3, 19).remainder(4).byte()
    batch = batch_of(rows, role)
    ids = batch.ids.long()
    with torch.no_grad():
        logits = model(ids[:, :-1]).logits
    nll = -logits.log_softmax(-1).gather(2, ids[:, 1:, None])[..., 0]
    step = TrainStep(model, Optimizers(model, matrix_rate=0.02, other_rate=0.02), batch)
    before = [p.detach().clone() for p in model.parameters()]
    loss, text, answer = step.figures(step(batch, 0.0))
    assert loss == pytest.approx(nll.mean().item(), rel=0.02)  # in bfloat16
    assert text == pytest.approx(nll[role == Role.TEXT].mean().item(), rel=0.02)
    assert answer == pytest.approx(nll[role == Role.ANSWER].mean().item(), rel=0.02)
    wrong = F.cross_entropy(logits.flatten(0, 1), ids[:, :-1].flatten()).item()
    assert abs(wrong - loss) > 0.2 * loss
    assert all(map(torch.equal, model.parameters(), before)), "a rate of zero changes nothing"
    assert math.isnan(step.figures(step(batch_of(rows), 0.0))[2]), "no answer in it"
    step(batch, 0.5)
    assert [group["lr"] for group in (*step.optimizers.muon.param_groups, *step.optimizers.adam.param_groups)] == [
        pytest.approx(0.01)
    ] * 2
    assert not all(map(torch.equal, model.parameters(), before))


@pytest.mark.parametrize("size", [0, 1, 256, 257])
def test_a_stream_shorter_than_a_batch_is_refused(size: int, fresh: Fresh, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"the corpus has {size} tokens; one batch needs 257"):
        Training(fresh("lmm"), STREAM[:size], None, recipe(), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_write_costs_what_lasts_of_it() -> None:
    shape = (2, 3, 4, 50)  # layers, B, H, T
    theta, eta = torch.rand(shape, dtype=torch.float64), torch.rand(shape, dtype=torch.float64)
    alpha = torch.rand(shape, dtype=torch.float64) / 1024
    alpha[0, 0, 0] = 0.0
    alpha[1, :, 1] = 1.0  # forgets everything
    alpha.requires_grad_()
    theta.requires_grad_()
    whole = theta / (1 - eta)
    found = lasting_writes({"theta": theta, "eta": eta, "alpha": alpha}, 1024)
    wanted = 0.0
    for layer, row, head in itertools.product(*map(range, shape[:3])):
        kept = (1 - alpha[layer, row, head]).prod() ** (1024 / 50)
        wanted += kept * (whole / (whole + SMALL))[layer, row, head].sum() / (50 * 3)
    torch.testing.assert_close(found, wanted)
    found.backward()
    assert theta.grad is not None
    assert (theta.grad[1, :, 1] == 0).all()
    torch.testing.assert_close(theta.grad[0, 0, 0], (SMALL / (whole + SMALL) ** 2 / (1 - eta))[0, 0, 0] / 150)
    assert alpha.grad is None, "forgetting is no way to save the cost of writing"


def test_a_write_cost_makes_a_memory_write_less(fresh: Fresh, tmp_path: Path) -> None:
    written = {}
    for cost in (0.0, 1.0):
        model = fresh("mag")
        train(model, tmp_path / str(cost), write_cost=cost, stages=((1.0, 32),), steps=60)
        gates = model(torch.from_numpy(STREAM[:64].astype(np.int64))[None], signals="gates").signals
        written[cost] = lasting_writes(gates, 1024).item()
    assert written[1.0] < 0.5 * written[0.0]
