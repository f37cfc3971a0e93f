"""What a training leaves to look at: the curve, TensorBoard events where that is installed, and a bar."""

from __future__ import annotations

import csv
import importlib.util
from pathlib import Path

import numpy as np
import pytest

from titans_core.model import Model
from titans_core.training import logs
from titans_core.training.loop import Training
from titans_core.training.recipe import Recipe
from titans_core.training.state import NAME

pytestmark = pytest.mark.filterwarnings("ignore:Mismatch dtype between input and weight:UserWarning")


def curve_of(out: Path) -> list[dict[str, str]]:
    with open(out / "curve.csv", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def small(tiny_config, tokenizer):
    """small(out): a training of 20 steps on one stage."""

    def build(out: Path | None) -> Training:
        model = Model(tiny_config("lmm", layers=1))
        model.tokenizer = tokenizer
        stream = np.arange(2000, dtype=np.uint16)
        return Training(model, stream, None, Recipe(steps=20, batch_tokens=64, stages=((1.0, 16),)), out)

    return build


def test_curve_and_events_are_written(small, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small(tmp_path).run()
    (row,) = curve_of(tmp_path)
    assert tuple(row) == ("step", "tokens", "window", "loss", "text", "answer", "seconds") == logs.COLUMNS
    assert (row["step"], row["tokens"], row["window"]) == ("20", "1280", "16")
    assert float(row["loss"]) == pytest.approx(float(row["text"]), abs=1e-4)
    assert float(row["answer"]) == 0
    assert "20/20" in capsys.readouterr().err
    events = list(tmp_path.glob("tensorboard/events*"))
    if importlib.util.find_spec("tensorboard") is None:
        assert not events
        return
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(tmp_path / "tensorboard"))
    read.Reload()
    assert sorted(read.Tags()["scalars"]) == ["answer", "loss", "text"]
    (event,) = read.Scalars("loss")
    assert (event.step, event.value) == (20, pytest.approx(float(row["loss"]), rel=1e-5))


def test_without_tensorboard_the_curve_is_written_alone(small, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(logs.importlib.util, "find_spec", lambda _: None)
    small(tmp_path).run()
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "curve.csv", "weights.safetensors", NAME}


def test_a_helping_process_writes_nothing(small, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert small(None).run()["step"] == 20
    assert not list(tmp_path.iterdir())
    assert capsys.readouterr().err == ""
