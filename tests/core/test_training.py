import csv
import itertools
import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from titans_core import checkpoint
from titans_core.config import VARIANTS
from titans_core.errors import ConfigError
from titans_core.model import Model
from titans_core.training import loop
from titans_core.training.loop import Diverged, Recipe, train
from titans_core.training.optimizer import Optimizers, schedule

# RMSNorm meets bfloat16 under autocast on a CPU: slower there, not wrong
pytestmark = pytest.mark.filterwarnings("ignore:Mismatch dtype between input and weight:UserWarning")
STREAM = np.tile(np.random.default_rng(2).permutation(4096)[:48], 60).astype(np.uint16)  # 48 ids, over and over


def recipe(**changes) -> Recipe:
    return Recipe(**{"steps": 40, "batch_tokens": 256, "stages": ((0.5, 16), (0.5, 32)), "other_rate": 0.02, **changes})


@pytest.fixture
def fresh(tiny_config, tokenizer):
    """fresh(variant): a model with the initial values of training."""

    def build(variant: str, **changes: int) -> Model:
        torch.manual_seed(3)
        model = Model(tiny_config(variant, **changes))
        model.tokenizer = tokenizer
        return model

    return build


def curve_of(out) -> list[dict[str, float]]:
    with open(out / "curve.csv", newline="") as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


def silent(_: str) -> None:
    pass


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_loss_falls_on_a_stream_that_repeats(variant, fresh, tmp_path) -> None:
    model = fresh(variant, chunk=8, layers=1)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    record = train(model, STREAM, recipe(steps=40), tmp_path, silent)
    curve = curve_of(tmp_path)
    assert [row["step"] for row in curve] == [20, 40]
    assert [row["window"] for row in curve] == [16, 32]
    assert [row["tokens"] for row in curve] == [20 * 256, 40 * 256]
    assert curve[1]["loss"] < 1 < curve[0]["loss"] < math.log(48), "knowing the frequencies alone gives log(48)"
    unchanged = [name for name, p in model.named_parameters() if torch.equal(p, before[name])]
    assert not unchanged, "these parameters were not trained"
    assert (record["step"], record["tokens"], record["device"]) == (40, 40 * 256, "cpu")


def test_the_saved_folder_loads_and_tells_its_recipe(fresh, tmp_path) -> None:
    model = fresh("mag")
    record = train(model, STREAM, recipe(steps=20), tmp_path / "new", silent)
    loaded = checkpoint.load(tmp_path / "new", "cpu")
    for name, p in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], p.bfloat16().float())
    meta = json.loads((tmp_path / "new" / "config.json").read_text())
    assert meta["training"] == json.loads(json.dumps(record))
    assert meta["training"]["recipe"]["steps"] == 20
    assert meta["training"]["recipe"]["stages"] == [[0.5, 16], [0.5, 32]]
    assert meta["training"]["torch"] == torch.__version__


def weights_after(model: Model, out, seed: int, seconds_a_look: float, monkeypatch) -> list[torch.Tensor]:
    """The weights of 20 steps, on a clock that moves on by so much whenever it is read."""
    ticks = itertools.count()
    clock = SimpleNamespace(monotonic=lambda: seconds_a_look * next(ticks))
    monkeypatch.setattr(loop, "time", clock)
    train(model, STREAM, recipe(steps=20, seed=seed), out, silent)
    return [p.detach() for p in model.parameters()]


def test_a_seed_makes_a_run_repeatable_to_the_bit(fresh, tmp_path, monkeypatch) -> None:
    one, two, other = (weights_after(fresh("lmm", layers=1), tmp_path, seed, 0.01, monkeypatch) for seed in (5, 5, 6))
    assert all(map(torch.equal, one, two))
    assert not any(map(torch.equal, one, other))


def test_the_speed_of_the_machine_does_not_matter_while_there_is_time(fresh, tmp_path, monkeypatch) -> None:
    fast, slow = (weights_after(fresh("lmm", layers=1), tmp_path, 5, seconds, monkeypatch) for seconds in (0.01, 1.0))
    assert all(map(torch.equal, fast, slow))


@pytest.mark.parametrize(
    ("done", "rate"),
    [(0.0, 0.0), (0.01, 0.5), (0.02, 1.0), (0.3, 1.0), (0.5, 1.0), (0.75, 0.5), (0.95, 0.1), (1.0, 0.02), (3.0, 0.02)],
)
def test_schedule(done, rate) -> None:
    assert schedule(done) == pytest.approx(rate)


def test_schedule_never_jumps() -> None:
    rates = [schedule(i / 10_000) for i in range(10_001)]
    assert max(abs(a - b) for a, b in itertools.pairwise(rates)) < 0.006
    assert max(rates) == 1


@pytest.mark.parametrize(
    ("steps", "stages", "plan"),
    [
        (10, ((1.0, 8),), [(8, 10)]),
        (10, ((0.4, 8), (0.6, 16)), [(8, 4), (16, 6)]),
        (7, ((0.5, 8), (0.5, 16)), [(8, 3), (16, 4)]),
        (1, ((0.4, 8), (0.6, 16)), [(16, 1)]),
        (100, ((0.333, 8), (0.333, 16), (0.334, 32)), [(8, 33), (16, 33), (32, 34)]),
    ],
)
def test_stages_share_the_steps(steps, stages, plan) -> None:
    assert loop._plan(recipe(steps=steps, stages=stages)) == plan


def test_windows_are_runs_of_the_stream_without_replacement() -> None:
    data = torch.arange(1000, dtype=torch.int32)
    batches = list(loop._windows(data, 16, recipe(batch_tokens=128), 0, 14))
    assert all(batch.shape == (8, 17) and batch.dtype == torch.long for batch in batches)
    windows = torch.cat(batches)
    assert (windows[:, 1:] == windows[:, :-1] + 1).all()
    starts = windows[:, 0].tolist()
    first = starts[: 7 * 8]  # a tiling holds 61 or 62 windows: seven batches
    assert len(set(first)) == len(first)
    assert len({start % 16 for start in first}) == 1
    second = starts[7 * 8 :]
    assert len(set(second)) == len(second)
    assert sorted(first) != first, "windows come shuffled"
    assert {start % 16 for start in second} != {start % 16 for start in first}, "each tiling has its own phase"


def test_windows_of_two_stages_and_two_seeds_differ() -> None:
    data = torch.arange(4000, dtype=torch.int32)

    def first(**changes) -> list[int]:
        return next(loop._windows(data, 16, recipe(**changes), changes.pop("first", 0), 1))[:, 0].tolist()

    assert first() == first()
    assert first(seed=2) != first(seed=1)
    assert next(loop._windows(data, 16, recipe(), 20, 1))[:, 0].tolist() != first()


def test_the_end_of_the_stream_is_used_and_never_passed() -> None:
    data = torch.arange(70, dtype=torch.int32)
    batches = [loop._windows(data, 16, recipe(batch_tokens=32, seed=seed), 0, 2) for seed in range(40)]
    seen = torch.cat([torch.cat(list(some)) for some in batches])
    assert seen.max() >= 68
    assert seen.min() == 0


def test_every_batch_is_full_on_a_stream_of_hardly_more_than_a_batch() -> None:
    data = torch.arange(256 + 2, dtype=torch.int32)
    batches = list(loop._windows(data, 32, recipe(batch_tokens=256), 0, 20))
    assert {tuple(batch.shape) for batch in batches} == {(8, 33)}


def test_the_loss_is_that_of_the_next_token(fresh) -> None:
    model = fresh("mag")
    torch.nn.init.normal_(model.embed.weight)
    windows = torch.from_numpy(STREAM[: 3 * 20].astype(np.int64)).view(3, 20)
    with torch.no_grad():
        logits = model(windows[:, :-1]).logits
        wanted = -logits.log_softmax(-1).gather(2, windows[:, 1:, None]).mean()
        got = loop._loss(model, windows)
    assert got.item() == pytest.approx(wanted.item(), rel=0.02)  # in bfloat16
    wrong = F.cross_entropy(logits.flatten(0, 1), windows[:, :-1].flatten()).item()
    assert abs(wrong - wanted.item()) > 0.2 * wanted.item()


def test_a_time_limit_stops_and_saves(fresh, tmp_path) -> None:
    lines = []
    record = train(fresh("lmm", layers=1), STREAM, recipe(steps=1000, max_minutes=1e-6), tmp_path, lines.append)
    assert record["step"] == 20
    assert lines == ["stopped at step 20 of 1000: 1e-06 minutes are over"]
    checkpoint.load(tmp_path, "cpu")


def test_the_rate_comes_down_when_time_runs_out_before_steps(fresh, tmp_path, monkeypatch) -> None:
    rates, ticks = [], itertools.count()
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: next(ticks)))
    monkeypatch.setattr(Optimizers, "step", lambda self, fraction: rates.append(fraction))
    record = train(fresh("transformer", layers=1), STREAM, recipe(steps=1000, max_minutes=1), tmp_path, silent)
    assert record["step"] == len(rates) == 60
    assert rates[25] == 1
    assert rates[50] == pytest.approx(2 * (1 - 53 / 60))  # 51 looks at the clock, and 2 at steps 20 and 40
    assert rates[-1] < 0.1


def test_progress_is_reported(fresh, tmp_path) -> None:
    lines = []
    quick = recipe(steps=200, batch_tokens=16, stages=((1.0, 8),))
    train(fresh("transformer", layers=1), STREAM, quick, tmp_path, lines.append)
    assert len(lines) == 1
    assert lines[0].split()[:3] == ["step", "200", "loss"]


@pytest.mark.parametrize("name", ["embed.weight", "blocks.1.feed_forward.up.weight"])
def test_weights_that_are_not_finite_stop_the_run_and_keep_what_was_saved(name, fresh, tmp_path) -> None:
    model = fresh("transformer")
    train(model, STREAM, recipe(steps=20, batch_tokens=64), tmp_path, silent)
    saved = (tmp_path / "weights.safetensors").read_bytes()
    with torch.no_grad():
        model.get_parameter(name)[0] = math.nan
    with pytest.raises(Diverged, match=r"the (weight|gradient) of [\w.]+ is not finite"):
        train(model, STREAM, recipe(steps=20, batch_tokens=64), tmp_path, silent)
    assert (tmp_path / "weights.safetensors").read_bytes() == saved


def test_the_tensor_that_is_not_finite_is_named(fresh) -> None:
    model = fresh("mag")
    name = "blocks.1.feed_forward.up.weight"
    with torch.no_grad():
        model.get_parameter(name)[0, 0] = math.inf
    with pytest.raises(Diverged, match=f"^the weight of {name} is not finite$"):
        loop._check(model, math.nan)
    model.get_parameter(name).grad = torch.full_like(model.get_parameter(name), math.nan)
    with torch.no_grad():
        model.get_parameter(name).zero_()
    with pytest.raises(Diverged, match=f"^the gradient of {name} is not finite$"):
        loop._check(model, math.inf)
    model.zero_grad()
    with pytest.raises(Diverged, match=r"^the loss is inf$"):
        loop._check(model, math.inf)
    loop._check(model, 3.0)


def test_an_update_that_spoils_the_weights_is_not_saved(fresh, tmp_path, monkeypatch) -> None:
    model = fresh("transformer")
    steps = Optimizers.step

    def spoil(self, fraction: float) -> None:
        steps(self, fraction)
        spoil.calls += 1
        if spoil.calls == 20:
            model.embed.weight.data.fill_(math.nan)

    spoil.calls = 0
    monkeypatch.setattr(Optimizers, "step", spoil)
    with pytest.raises(Diverged):
        train(model, STREAM, recipe(steps=20), tmp_path, silent)


@pytest.mark.parametrize("size", [0, 1, 256, 257])
def test_a_stream_shorter_than_a_batch_is_refused(size, fresh, tmp_path) -> None:
    with pytest.raises(ConfigError, match=f"the corpus has {size} tokens; one batch needs 257"):
        train(fresh("lmm"), STREAM[:size], recipe(), tmp_path / "out", silent)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "changes", [{"steps": 0}, {"batch_tokens": 8}, {"stages": ()}, {"stages": ((1.0, 0),)}, {"max_minutes": 0}]
)
def test_a_recipe_that_cannot_run_is_refused(changes, fresh, tmp_path) -> None:
    with pytest.raises(ConfigError):
        train(fresh("lmm", layers=1), STREAM, recipe(**{"steps": 20, **changes}), tmp_path, silent)


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_parameter_has_exactly_one_optimiser(variant, depth, fresh) -> None:
    model = fresh(variant, memory_depth=depth)
    optimizers = Optimizers(model, matrix_rate=0.02, other_rate=0.004)
    groups = {"muon": optimizers.muon.param_groups, "adam": optimizers.adam.param_groups}
    held = {name: [id(p) for group in some for p in group["params"]] for name, some in groups.items()}
    assert sorted(held["muon"] + held["adam"]) == sorted(id(p) for p in model.parameters())
    names = {id(p): name for name, p in model.named_parameters()}
    muon = {names[i] for i in held["muon"]}
    assert all(name.startswith("blocks.") and model.get_parameter(name).dim() == 2 for name in muon)
    assert not any("gates" in name or "conv" in name or "persistent" in name for name in muon)
    assert {f"blocks.{i}.feed_forward.{part}.weight" for i in (0, 1) for part in ("up", "down")} <= muon


def test_a_step_takes_its_fraction_of_both_rates(fresh) -> None:
    model = fresh("mag")
    optimizers = Optimizers(model, matrix_rate=0.02, other_rate=0.004)
    loop._loss(model, torch.from_numpy(STREAM[:60].astype(np.int64)).view(3, 20)).backward()
    before = [p.detach().clone() for p in model.parameters()]
    optimizers.step(0.0)
    assert all(torch.equal(p, old) for p, old in zip(model.parameters(), before, strict=True))
    optimizers.step(0.5)
    assert optimizers.muon.param_groups[0]["lr"] == 0.01
    assert optimizers.adam.param_groups[0]["lr"] == 0.002
    assert not all(torch.equal(p, old) for p, old in zip(model.parameters(), before, strict=True))
