"""`titans recall`: what it prints and writes, how it goes on, and what it refuses."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from titans_core import checkpoint
from titans_core.cli import main
from titans_core.probes.asking import Said
from titans_core.recall_command import _said

TEXT = "The keeper walked along the shore, and it rained. She found 37 stones there.\nThe piano stood still. " * 10
FACT = "The number of the harbour book is 730."


@pytest.fixture(scope="module")
def folder(tiny_model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With two small checkpoints and a document."""
    made = tmp_path_factory.mktemp("recall")
    for variant in ("mag", "lmm"):
        checkpoint.save(tiny_model(variant, chunk=1), made / variant, {})
    (made / "book.txt").write_text(TEXT, encoding="utf-8")
    return made


def titans(folder: Path, *arguments: str, out: str = "found.json") -> Result:
    given = ["recall", str(folder / "book.txt"), "--out", str(folder / out), "--points", "6", "--questions", "2"]
    return CliRunner().invoke(main, [*given, *arguments])


def test_it_writes_what_it_found_and_goes_on(folder: Path) -> None:
    question = ("--fact", FACT, "--answer", "730", "--plant", "0.2")
    first = titans(folder, *question, "--checkpoint", str(folder / "mag"))
    assert first.exit_code == 0, first.output
    assert "asked for '730'" in first.output
    before = json.loads((folder / "found.json").read_text())
    assert before["cue"] == "The number of the harbour book is "
    both = titans(folder, *question, "--checkpoint", str(folder / "mag"), "--checkpoint", str(folder / "lmm"))
    assert "mag: in" in both.output
    assert "already" in both.output
    found = json.loads((folder / "found.json").read_text())
    assert [one["checkpoint"] for one in found["results"]] == ["mag", "lmm"]
    assert found["results"][0] == before["results"][0]
    rows = list(csv.DictReader((folder / "found.csv").read_text(encoding="utf-8").splitlines()))
    asked = found["results"][1]["asked"][-1]
    (row,) = (
        r for r in rows if (r["checkpoint"], r["measure"], r["tokens"]) == ("lmm", "p_memory", str(asked["tokens"]))
    )
    assert float(row["value"]) == asked["memory"]["p"]
    assert row["said"] == asked["memory"]["text"]
    cosines = [float(r["value"]) for r in rows if (r["checkpoint"], r["measure"], r["layer"]) == ("mag", "cosine", "1")]
    assert cosines == [values[1] for values in found["results"][0]["held"]["cosine"]]
    other = titans(folder, "--fact", FACT, "--answer", "730", "--plant", "0.7", "--checkpoint", str(folder / "mag"))
    assert other.exit_code == 2
    assert "is of another question (document_sha256, at_character differ)" in other.output
    assert json.loads((folder / "found.json").read_text()) == found


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--fact", FACT, "--answer", "730"], "does not stand in the document"),
        (["--fact", "She found 37 stones", "--answer", "38"], "the answer '38' is no part of the fact"),
        (["--fact", "37", "--answer", "37"], "the answer is the whole fact, so nothing stands before it"),
        (["--fact", "37 stones", "--answer", "37"], "the answer begins the fact, so nothing stands before it"),
        (["--fact", "", "--answer", "37"], "the fact is empty"),
        (["--fact", FACT, "--answer", "730", "--plant", "2"], "depth is 2.0"),
        (["--fact", "She found 37 stones", "--answer", "stones", "--checkpoint", "nothing"], "unknown checkpoint"),
    ],
)
def test_what_it_refuses_costs_nothing(arguments: list[str], words: str, folder: Path) -> None:
    result = titans(folder, *arguments, out="none.json")
    assert result.exit_code == 2
    assert words in " ".join(result.output.split())
    assert not (folder / "none.json").exists()


def test_line_breaks_in_what_is_said_keep_the_columns() -> None:
    broken, plain = (_said(Said(0.5, 1.0, False, text)) for text in ("\n7304\n\n416 and more", "7304416 and much more"))
    assert "'7304⏎⏎416 and mo'" in broken
    assert len(broken) == len(plain)


def test_a_file_of_something_else_is_left_alone(folder: Path) -> None:
    (folder / "other.json").write_text("[1, 2]")
    result = titans(folder, "--fact", "She found 37 stones", "--answer", "stones", out="other.json")
    assert result.exit_code == 2
    assert "is no file of `titans recall`" in result.output
    assert (folder / "other.json").read_text() == "[1, 2]"
