"""`titans train`, as a person types it: real processes, alone and by torchrun, and what they leave."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from safetensors.torch import load_file

from titans_core import assets, checkpoint
from titans_core.cli import main
from titans_core.training.recipe import Recipe
from titans_core.training.state import NAME

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
stages = [[0.25, 64], [0.75, 128]]
task_share = 0.5
answer_weight = 5
fact_weight = 0.1
[training.tasks]
passkey = 1
{task} = 1
"""
TITANS = (sys.executable, "-m", "titans_core.cli")
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    texts = [file.read_text("utf-8") for file in sorted((assets.ROOT / "samples").glob("*.txt"))]
    (folder / "train-0.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return folder


def arguments(folder: Path, data: Path, out: Path, *more: object, steps: int = 8, task: str = "recall") -> list[str]:
    config = folder / f"{task}.toml"
    config.write_text(CONFIG.format(steps=steps, task=task))
    return [str(x) for x in ("train", config, "--data", data, "--out", out, "--device", "cpu", *more)]


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """start(*command): a process with its own group, ended with the test."""
    pipe, children = subprocess.PIPE, []

    def begin(*command: str) -> subprocess.Popen[str]:
        children.append(subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True))
        return children[-1]

    yield begin
    for child in children:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
        for stream in (child.stdout, child.stderr):
            stream.close()
        child.wait()


def end(child: subprocess.Popen[str]) -> str:
    out, error = child.communicate(timeout=120)
    assert child.returncode == 0, error
    return out


def wait_until_it_trains(child: subprocess.Popen[str]) -> None:
    """Until the process handles SIGTERM by itself."""
    while child.poll() is None:
        caught = next(x for x in Path(f"/proc/{child.pid}/status").read_text().splitlines() if x.startswith("SigCgt"))
        if int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1:
            return
        time.sleep(0.02)
    raise AssertionError(child.communicate()[1])


def curve_of(out: Path) -> list[dict[str, str]]:
    with open(out / "curve.csv", newline="") as file:
        return list(csv.DictReader(file))


def losses(out: Path) -> np.ndarray:
    return np.array([[float(row[name]) for name in ("step", "loss", "text", "answer")] for row in curve_of(out)])


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads of /proc whether a signal is handled")
def test_sigterm_saves_and_the_rest_goes_on_to_the_same_end(tmp_path: Path, data: Path, start) -> None:
    steps = 100
    whole = start(*TITANS, *arguments(tmp_path, data, tmp_path / "whole", steps=steps))
    out = tmp_path / "parts"
    given = arguments(tmp_path, data, out, "--workers", 2, steps=steps)
    child = start(*TITANS, *given)
    wait_until_it_trains(child)
    time.sleep(float(np.random.default_rng().random()) * 0.4)
    os.killpg(child.pid, signal.SIGTERM)  # to its workers as well, as from a terminal or a scheduler
    said = end(child)
    assert "(SIGTERM came)" in said
    stopped = json.loads((out / "config.json").read_text())["training"]["step"]
    assert 0 < stopped < steps
    assert f"step {stopped} of {steps}" in said
    checkpoint.load(out, "cpu")
    assert "holds a training already" in CliRunner().invoke(main, given).output
    assert f"step {steps} of {steps}" in end(start(*TITANS, *given, "--resume"))
    end(whole)
    one, two = (load_file(folder / NAME) for folder in (tmp_path / "whole", out))
    assert one.keys() == two.keys()
    assert all(torch.equal(t, two[name]) for name, t in one.items()), f"stopped after {stopped}"
    names = ("weights.safetensors", "config.json")
    assert (out / names[0]).read_bytes() == (tmp_path / "whole" / names[0]).read_bytes()
    rows = {row["step"]: row["loss"] for row in curve_of(out)}
    assert all(rows[row["step"]] == row["loss"] for row in curve_of(tmp_path / "whole"))


def test_two_processes_train_as_one_does_on_the_same_batches(tmp_path: Path, data: Path, start) -> None:
    outs = tmp_path / "two", tmp_path / "one"
    two, one = (
        start(*command, *arguments(tmp_path, data, out, steps=24))
        for command, out in zip(((*TORCHRUN, "-m", "titans_core.cli"), TITANS), outs, strict=True)
    )
    end(two)
    end(one)
    assert [row["step"] for row in curve_of(outs[0])] == ["6", "20", "24"]
    np.testing.assert_allclose(losses(outs[0]), losses(outs[1]), rtol=5e-4)
    weights = [load_file(out / NAME) for out in outs]
    for name, t in weights[0].items():
        if name.startswith("model."):
            apart = (t - weights[1][name]).norm() / t.norm().clamp_min(1e-3)
            assert apart.item() < 0.05, name  # sums in another order, in bfloat16


def run(*given: str) -> Result:
    return CliRunner().invoke(main, given)


def test_what_cannot_be_trained_is_refused_in_one_line(tmp_path: Path, data: Path, monkeypatch) -> None:
    monkeypatch.setattr(torch, "set_float32_matmul_precision", lambda _: None)  # this process goes on
    out = tmp_path / "out"
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / NAME).write_bytes(b"")
    wordless = tmp_path / "wordless.jsonl"
    wordless.write_text(json.dumps({"text": "no end"}) + "\n")
    for given, said in [
        (arguments(tmp_path, data, taken), "taken holds a training already; give --resume to go on with it"),
        (arguments(tmp_path, data, taken, "--resume"), "no training to resume in"),
        (arguments(tmp_path, data, out, "--resume"), "no training to resume in"),
        (arguments(tmp_path, data, out, "--variant", "mega"), "recall.toml: unknown variant 'mega'"),
        (arguments(tmp_path, data, out, "--steps", 0), "recall.toml: steps 0"),
        (arguments(tmp_path, data, out, "--set", "heads=7"), "must split into 7 heads"),
        (arguments(tmp_path, data, out, "--set", "dim=1048576"), "too little memory for this model and batch: "),
        (arguments(tmp_path, wordless, out), f"--data {wordless}: the 3 tokens of prose hold no full sentence"),
        (arguments(tmp_path, data, out, "--set", "seed=2", "--seed", 3), "--set seed and --seed are given; give one"),
        (arguments(tmp_path, data, out, "--set", "momentun=false"), "unknown model settings: momentun"),
        (arguments(tmp_path, data, tmp_path / "recall.toml"), "is a file"),
        (arguments(tmp_path, tmp_path / "nowhere", out), "nowhere does not exist; give a JSONL file"),
        (arguments(tmp_path, data, out, "--device", "tpu"), "unknown device 'tpu'"),
        (arguments(tmp_path, data, out, task="babi1"), "the tasks babi1 need the bAbI files; name their folder with"),
        (arguments(tmp_path, data, out, "--babi", data, task="babi1"), "holds 0 files qa1_*_train.txt"),
    ]:
        result = run(*given)
        assert result.exit_code == 2, result.output
        assert said in result.output
        assert "Traceback" not in result.output
    assert not out.exists()


def test_settings_count_and_another_time_limit_is_refused_by_its_name(tmp_path: Path, data: Path, monkeypatch) -> None:
    monkeypatch.setattr(torch, "set_float32_matmul_precision", lambda _: None)
    given = arguments(tmp_path, data, tmp_path / "out", "--set", "seed=7", steps=1)
    assert run(*given, "--max-minutes", "5").exit_code == 0
    assert json.loads((tmp_path / "out/config.json").read_text())["training"]["recipe"]["seed"] == 7
    result = run(*given, "--max-minutes", "2.5", "--resume")
    assert result.exit_code == 2
    assert "another recipe: max_minutes was 5.0 and is now 2.5; resume with what it was started with" in result.output
    assert "{" not in result.output


def test_what_torchrun_starts_again_goes_on_by_itself(tmp_path: Path, data: Path, monkeypatch) -> None:
    monkeypatch.setattr(torch, "set_float32_matmul_precision", lambda _: None)
    given = arguments(tmp_path, data, tmp_path / "out", steps=1)
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")  # it failed before anything was saved
    assert run(*given).exit_code == 0
    before = (tmp_path / "out" / NAME).read_bytes()
    assert "step 1 of 1" in run(*given).output
    assert (tmp_path / "out" / NAME).read_bytes() == before
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "0")
    assert "give --resume to go on with it" in run(*given).output


def test_help_tells_the_time_limit_and_the_device() -> None:
    said = " ".join(run("train", "--help").output.split())
    assert f"[default: what CONFIG says, or {Recipe.max_minutes:g}]" in said
    assert "meant for a GPU" in said


def test_a_checkpoint_without_a_training_state_is_not_overwritten(tmp_path: Path) -> None:
    out = tmp_path / "shipped"
    out.mkdir()
    (out / "config.json").write_text("{}")
    recipe = tmp_path / "r.toml"
    recipe.write_text('[model]\nvariant = "mag"\n[training]\nsteps = 1\n')
    result = CliRunner().invoke(main, ["train", str(recipe), "--data", str(tmp_path), "--out", str(out)])
    assert result.exit_code == 2
    assert "holds a checkpoint already" in result.output
    assert (out / "config.json").read_text() == "{}"
