"""Checkpoints of the user's own: offered by `python -m app FOLDER`, run under their folder's name."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from streamlit.testing.v1 import AppTest

import titans_core as tc
from app import memories, runs
from app.jobs import Job, Progress, sanity
from app.runs import server
from titans_core import checkpoint
from titans_core.config import ModelConfig
from titans_core.errors import CheckpointError
from titans_core.model import Model
from titans_core.tokenizer import Tokenizer

MAIN = Path(__file__).parents[2] / "app" / "main.py"


@pytest.fixture
def mine(tmp_path: Path) -> Iterator[Path]:
    """The folder of a small untrained model; what is offered ends with the test."""
    torch.manual_seed(0)
    model = Model(ModelConfig(variant="mag", dim=32, layers=2, heads=2, ffn=64, window=16))
    model.tokenizer = Tokenizer.load()
    checkpoint.save(model, tmp_path / "mine", {})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TITANSCOPE_CHECKPOINTS", "")
        yield tmp_path / "mine"


def test_a_folder_is_offered_under_its_name_and_once(mine: Path) -> None:
    assert memories.names() == tuple(tc.checkpoints())
    assert [memories.offer(mine), memories.offer(mine)] == ["mine", "mine"]
    assert memories.names() == (*tc.checkpoints(), "mine")
    assert memories.folder("mine") == mine
    assert memories.folder("mac").name == "mac"


@pytest.mark.parametrize("name", ["mac", "mine"])
def test_two_memories_of_one_name_are_refused(mine: Path, tmp_path: Path, name: str) -> None:
    memories.offer(mine)
    other = Path(shutil.copytree(mine, tmp_path / "other" / name))
    with pytest.raises(CheckpointError, match=f"named '{name}' is offered already; rename"):
        memories.offer(other)


def test_the_folder_of_a_shipped_one_offers_nothing_new(mine: Path) -> None:
    assert memories.offer(memories.folder("mag")) == "mag"
    assert memories.names() == tuple(tc.checkpoints())


@pytest.mark.parametrize("data", [b"", b"other weights"])
def test_weights_that_are_not_those_recorded_are_refused_at_once(mine: Path, data: bytes) -> None:
    (mine / "weights.safetensors").write_bytes(data)
    with pytest.raises(CheckpointError, match="not the file that its config"):
        memories.offer(mine)


def test_folders_that_lack_a_part_are_refused_in_words(mine: Path, tmp_path: Path) -> None:
    (mine / "weights.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"lacks weights.safetensors"):
        memories.offer(mine)
    for content in ("", "[]", json.dumps({"a": 1}), "[" * 100_000):
        (mine / "config.json").write_text(content)
        with pytest.raises(CheckpointError, match="not one that `titans train` wrote"):
            memories.offer(mine)
    assert memories.names() == tuple(tc.checkpoints())


def test_it_is_run_from_the_page_and_checked(
    mine: Path, store: Path, finish: Callable[..., Progress], monkeypatch: pytest.MonkeyPatch
) -> None:
    memories.offer(mine)
    server.shut_down()  # workers learn of it when they start: those of the next engine
    server.local.cache_clear()
    page = AppTest.from_file(str(MAIN), default_timeout=60)
    page.session_state["seen"] = True
    page.run()
    page.pills(key="checkpoints").set_value(["mine"]).run()
    page.segmented_control(key="source").set_value("Paste").run()
    page.text_area(key="pasted").set_value("The boats went out. " * 40).run()
    page.button(key="run").click().run()
    assert not page.exception
    run = str(page.query_params["run"])
    assert finish(run).state == "done"
    page.run()
    assert any("mine" in caption.value for caption in page.main.caption)
    ds = runs.trace(run)
    assert ds.attrs["weights_sha256"] == json.loads((mine / "config.json").read_text())["weights_sha256"]
    assert sanity.refusal(ds) == ""
    monkeypatch.setenv("TITANSCOPE_CHECKPOINTS", "")
    assert "not offered here" in sanity.refusal(ds)


def test_the_worker_takes_no_path(mine: Path, store: Path, finish: Callable[..., Progress]) -> None:
    at = finish(runs.engine().submit(Job(str(mine), "Some words to read.", "A test text")))
    assert at.state == "failed"
    assert "unknown checkpoint" in at.message
