"""`titans eval`: what is missing is told before the first cell, and Ctrl-C says how to go on."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from titans_core.checkpoint import save
from titans_core.cli import main
from titans_core.evaluation import plan, runner
from titans_core.evaluation.cells import Cell


@pytest.fixture
def checkpoint(tmp_path: Path, tiny_model) -> Path:
    save(tiny_model("transformer"), tmp_path / "small", {})
    return tmp_path / "small"


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "validation.jsonl").write_text(json.dumps({"text": "The lamp stood by the road. " * 40}))
    return tmp_path / "corpus"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in ("eval", *arguments, "--device", "cpu")])


@pytest.mark.parametrize(
    ("task", "data", "message"),
    [
        ("word", "empty", "empty holds no validation.jsonl"),
        ("validation", "empty", "empty holds no validation.jsonl"),
        ("lambada", "corpus", "there is no {}/lambada/lambada_test.jsonl; give as --eval-data the folder that holds"),
        ("babi2", "corpus", "there is no {}/babi/en; give as --eval-data the folder that holds babi/en"),
    ],
)
def test_missing_files_are_told_before_the_first_cell(
    task: str, data: str, message: str, checkpoint: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure(*_: object) -> None:
        raise AssertionError("a cell was begun")

    for name in ("run_cell", "run_lambada", "_validate"):
        monkeypatch.setattr(runner, name, measure)
    folder = corpus.parent
    (folder / "empty").mkdir()
    result = run(
        *(checkpoint, "--tasks", f"passkey,{task}", "--out", folder / "out" / "a.json"),
        *("--data", folder / data, "--eval-data", folder / "empty"),
    )
    assert result.exit_code == 2, result.output
    assert message.format(folder / "empty") in result.output
    assert "passkey" not in result.output
    assert not (folder / "out").exists()


def test_ctrl_c_tells_what_is_kept_and_the_same_command_goes_on(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    monkeypatch.setattr(plan, "SHORT", (200, 256))
    out = tmp_path / "out" / "a.json"
    command = (checkpoint, "--out", out, "--tasks", "passkey", "--controls", "live", "--max-length", 256)
    measure, measured = runner.run_cell, []

    def stopped_at(count: int) -> None:
        def patched(*arguments: object) -> Cell:
            if len(measured) == count:
                signal.raise_signal(signal.SIGINT)
            measured.append(arguments[3])
            return measure(*arguments)

        monkeypatch.setattr(runner, "run_cell", patched)

    stopped_at(0)
    nothing = run(*command)
    assert nothing.exit_code == 130
    assert "stopped: no cell was finished yet" in nothing.output
    assert not out.parent.exists()
    stopped_at(1)
    part = run(*command)
    assert part.exit_code == 130
    assert f"stopped: finished cells are kept in {out}; the same command goes on from there" in part.output
    assert "Aborted" not in part.output
    assert [cell["length"] for cell in json.loads(out.read_text())["cells"]] == [200]
    stopped_at(-1)
    whole = run(*command)
    assert whole.exit_code == 0, whole.output
    assert [key.length for key in measured] == [200, 256], "the first one was not measured again"
