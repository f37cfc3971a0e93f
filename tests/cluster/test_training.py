"""Training in two processes: the same as in one, saved for any number of them, and what happens when one ends.

Two processes of one CPU by gloo on the loopback; on two GPUs, where there are two, by NCCL.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.cluster.training_worker import STEPS, train
from titans_core import assets, checkpoint
from titans_core.config import VARIANTS
from titans_core.training.batches import Part
from titans_core.training.state import NAME

ROOT = Path(__file__).parents[2]
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
NEAR = 1e-9  # relative, of a whole tensor in float64; found were 2e-15, but the loss is in float32 and Muon in bfloat16
CONFIG = """
[model]
variant = "mag"
dim = 16
layers = 1
heads = 2
ffn = 24
window = 16
chunk = 4
[training]
steps = {steps}
batch_tokens = 256
stages = [[1.0, 64]]
task_share = 0.5
tasks = {{ passkey = 1, recall = 1 }}
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """Folder of what two processes trained, and one process beside them."""
    out = tmp_path_factory.mktemp("runs")
    train(out / "one", Part())
    train(out / "one-half", Part(), until=2)
    command = (*TORCHRUN, "-m", "tests.cluster.training_worker", str(out))
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    return out


def far(found: Path, wanted: Path) -> dict[str, float]:
    """The tensors of a state that are not near those of the other: by name, how far."""
    one, two = load_file(found / NAME), load_file(wanted / NAME)
    assert one.keys() == two.keys()
    distances = {name: ((one[name] - t).norm() / t.norm().clamp_min(1e-12)).item() for name, t in two.items()}
    return {name: d for name, d in distances.items() if not d < NEAR}


def step_of(folder: Path) -> int:
    return json.loads((folder / "config.json").read_text())["training"]["step"]


def curve_of(folder: Path) -> list[list[float]]:
    with open(folder / "curve.csv", newline="") as file:
        return [[float(row[name]) for name in ("step", "loss", "text", "answer")] for row in csv.DictReader(file)]


@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
def test_two_processes_train_as_one(parallel: str, runs: Path) -> None:
    assert not far(runs / parallel, runs / "one")
    np.testing.assert_allclose(curve_of(runs / parallel), curve_of(runs / "one"), rtol=1e-5, atol=1e-5)
    assert far(runs / "one-half", runs / "one"), "it would be seen"
    assert checkpoint.load(runs / parallel, "cpu").config.variant == "mag"


@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
def test_what_two_processes_saved_goes_on_in_one(parallel: str, runs: Path, tmp_path: Path) -> None:
    assert step_of(runs / f"{parallel}-half") == 3
    assert train(tmp_path / "on", Part(), begin=runs / f"{parallel}-half").step == STEPS
    assert not far(tmp_path / "on", runs / "one")


@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
def test_one_two_and_one_again_train_as_one(parallel: str, runs: Path, tmp_path: Path) -> None:
    between = runs / f"one-then-{parallel}"
    assert (step_of(runs / "one-half"), step_of(between)) == (2, 4)
    train(tmp_path / "on", Part(), begin=between)
    assert not far(tmp_path / "on", runs / "one")


@pytest.mark.parametrize("name", ["ddp-then-fsdp", "fsdp-then-ddp"])
def test_either_kind_goes_on_from_the_other(name: str, runs: Path) -> None:
    assert not far(runs / name, runs / "one")


@pytest.mark.parametrize("variant", VARIANTS)
def test_gradients_are_those_of_the_whole_batch_and_of_torch(variant: str, runs: Path) -> None:
    found = json.loads((runs / "said-0.json").read_text())["apart"]
    for parallel in ("ddp", "fsdp", "torch"):
        assert found[f"{variant} {parallel}"] < 1e-12, parallel


def test_a_signal_to_one_process_stops_both_at_the_same_step(runs: Path) -> None:
    said = [json.loads((runs / f"said-{rank}.json").read_text())["stopped"] for rank in (0, 1)]
    assert said == ["another process was stopped", "SIGTERM came"]


def test_all_processes_name_the_weight_that_only_one_of_them_holds(runs: Path) -> None:
    said = {json.loads((runs / f"said-{rank}.json").read_text())["spoiled"] for rank in (0, 1)}
    (only,) = said
    assert only.startswith("step 2: the weight of blocks.1.feed_forward.up.weight is not finite")
    assert step_of(runs / "spoiled") == 0


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    shutil.copy(assets.ROOT / "samples" / "weather-ship.txt", folder)
    return folder


def arguments(folder: Path, data: Path, out: Path, *more: str, steps: int, device: str = "cpu") -> list[str]:
    config = folder / "recipe.toml"
    config.write_text(CONFIG.format(steps=steps))
    given = ("-m", "titans_core.cli", "train", config, "--data", data, "--out", out, "--device", device, *more)
    return [str(x) for x in given]


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """start(*command): a process with its own group, ended with the test."""
    pipe, children = subprocess.PIPE, []

    def begin(*command: str) -> subprocess.Popen[str]:
        options = {"stdout": pipe, "stderr": pipe, "text": True, "start_new_session": True, "cwd": ROOT}
        children.append(subprocess.Popen(command, **options))
        return children[-1]

    yield begin
    for child in children:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
        child.communicate()


def training_processes(agent: subprocess.Popen[str]) -> list[int]:
    """The processes that torchrun started, by rank, once all of them handle SIGTERM themselves."""
    while agent.poll() is None:
        found = Path(f"/proc/{agent.pid}/task/{agent.pid}/children").read_text().split()
        ranks = {rank_of(pid): int(pid) for pid in found if handles_sigterm(pid)}
        if {0, 1} <= ranks.keys():
            return [ranks[0], ranks[1]]
        time.sleep(0.02)
    raise AssertionError(agent.communicate()[1])


def rank_of(pid: str) -> int:
    given = dict(x.partition("=")[::2] for x in Path(f"/proc/{pid}/environ").read_text().split("\0"))
    return int(given.get("RANK", "-1"))


def handles_sigterm(pid: str) -> bool:
    caught = next(x for x in Path(f"/proc/{pid}/status").read_text().splitlines() if x.startswith("SigCgt"))
    return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads of /proc whether a signal is handled")
def test_torchrun_is_stopped_then_loses_a_process_and_ends_the_training(tmp_path: Path, data: Path, start) -> None:
    steps, out = 80, tmp_path / "out"
    given = arguments(tmp_path, data, out, steps=steps)
    first = start(*TORCHRUN, *given, "--parallel", "fsdp")
    training_processes(first)
    began = time.monotonic()
    first.send_signal(signal.SIGTERM)
    said, error = first.communicate(timeout=60)
    assert time.monotonic() - began < 25, "torchrun kills after 30 s"
    stopped = step_of(out)
    assert f"step {stopped} of {steps}" in said, error
    assert 0 < stopped < steps
    checkpoint.load(out, "cpu")

    second = start(*TORCHRUN, "--max-restarts", "1", *given, "--resume")
    os.kill(training_processes(second)[1], signal.SIGKILL)
    said, error = second.communicate(timeout=120)
    assert "another process of this training ended or does not answer" in error
    assert second.returncode == 0, error
    assert f"step {steps} of {steps}" in said
    assert curve_of(out)[0][0] == stopped, "it went on, and did not begin anew"


@pytest.mark.gpu
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
def test_two_gpus_train_as_one(parallel: str, tmp_path: Path, data: Path, start) -> None:
    one, two = (
        start(*command, *arguments(tmp_path, data, tmp_path / name, *more, steps=40, device="cuda"))
        for name, command, more in (("one", (sys.executable,), ()), ("two", TORCHRUN, ("--parallel", parallel)))
    )
    for child in (one, two):
        _, error = child.communicate(timeout=200)
        assert child.returncode == 0, error
    np.testing.assert_allclose(curve_of(tmp_path / "two"), curve_of(tmp_path / "one"), rtol=1e-2)
