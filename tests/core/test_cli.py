"""The command, as a person types it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from tests import making
from titans_core.cli import main
from titans_core.documents import PLACES, of_trace
from titans_core.passages import passages
from titans_core.record import open_trace
from titans_core.signals import sum_layers

STORY = "The lamp was lit at dusk. The lamp was lit at dusk. Then a whale, singing, walked up the stairs. " * 3


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def write(folder: Path, data: bytes | str) -> Path:
    file = folder / "story.txt"
    file.write_bytes(data.encode() if isinstance(data, str) else data)
    return file


def test_with_no_checkpoint_at_all_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("titans_core.cli.checkpoint_names", list)
    result = run("trace", write(tmp_path, STORY), "--out", tmp_path / "runs")
    assert result.exit_code == 2
    assert "ships no checkpoints; give the folder of one with --checkpoint" in result.output
    assert not (tmp_path / "runs").exists()


def test_two_checkpoints_give_two_stores_and_a_summary(tmp_path: Path) -> None:
    result = run(
        "trace", write(tmp_path, STORY), "--checkpoint", "mac", "--checkpoint", "mag", "--out", tmp_path / "runs"
    )
    assert result.exit_code == 0, result.output
    for name in ("mac", "mag"):
        dataset = open_trace(tmp_path / "runs" / f"{name}.zarr")
        assert dataset.attrs["text"] == STORY
        assert dataset.attrs["checkpoint"] == name
        assert np.isfinite(dataset["surprise"].values).all()
        assert f"{name}: {dataset.sizes['token']} tokens" in result.output
    assert "most surprising passages" in result.output


def test_one_checkpoint_can_name_its_store_and_keep_heads(tmp_path: Path) -> None:
    result = run("trace", write(tmp_path, STORY), "--checkpoint", "mal", "--out", tmp_path / "a.zarr", "--heads")
    assert result.exit_code == 0, result.output
    assert open_trace(tmp_path / "a.zarr")["surprise"].dims == ("layer", "head", "token")
    assert "most surprising passages" in result.output


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("", "the file is empty"),
        (" \n\t ", "no text was found"),
        (b"good until \xff here", "byte 0xFF at offset 11"),
        (b"\x7fELF" + b"\0" * 200, "a Linux program"),
        (b"a\xed\xa0\x80b", "0xED at offset 1"),
    ],
)
def test_bad_files_get_one_plain_line(tmp_path: Path, data: bytes | str, message: str) -> None:
    result = run("trace", write(tmp_path, data), "--encoding", "utf-8", "--out", tmp_path / "runs")
    assert result.exit_code == 2
    assert message in result.output
    assert "Traceback" not in result.output
    assert not (tmp_path / "runs").exists()


def test_a_pdf_is_read_as_the_page_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "paper.txt"
    pages = ["All of page one.", making.SCANNED, "Then a whale, singing, walked up the stairs of the house."]
    file.write_bytes(making.pdf(pages, outline="Whales"))
    result = run("trace", file, "--checkpoint", "mag", "--out", tmp_path / "a.zarr")
    assert result.exit_code == 0, result.output
    assert "pdf: 3 pages" in result.output
    assert "1 page has no text (2)" in result.output
    assert "(page 1, paragraph 1)" in result.output
    dataset = open_trace(tmp_path / "a.zarr")
    assert dataset.attrs["text"] == f"{pages[0]}\n\n{pages[2]}"
    document = of_trace(dataset.attrs)
    assert document is not None
    places = document.places(dataset["start"].values, dataset["end"].values)
    assert (places[0], places[-1]) == ("page 1, paragraph 1", "page 3, Whales, paragraph 2")


def test_text_that_looks_like_a_page_is_read_as_it_stands_when_asked(tmp_path: Path) -> None:
    result = run("trace", write(tmp_path, "<html>hi"), "--plain", "--checkpoint", "mag", "--out", tmp_path / "a.zarr")
    assert result.exit_code == 0, result.output
    assert open_trace(tmp_path / "a.zarr").attrs["text"] == "<html>hi"
    assert PLACES not in open_trace(tmp_path / "a.zarr").attrs


@pytest.mark.parametrize("text", ["word", "a\0b\x07 c", "שלום עולם", "👩‍👩‍👧‍👦 🏳️‍🌈", "é à n̈"])
def test_odd_texts_run(tmp_path: Path, text: str) -> None:
    result = run("trace", write(tmp_path, text), "--checkpoint", "mag", "--out", tmp_path / "a.zarr")
    assert result.exit_code == 0, result.output
    assert open_trace(tmp_path / "a.zarr").attrs["text"] == text


def test_a_wrong_name_or_a_taken_store_costs_nothing(tmp_path: Path) -> None:
    file = write(tmp_path, STORY)
    unknown = run("trace", file, "--checkpoint", "mac", "--checkpoint", "../../nowhere", "--out", tmp_path / "runs")
    assert unknown.exit_code == 2
    assert "unknown checkpoint '../../nowhere'; shipped are:" in unknown.output
    assert not list(tmp_path.glob("runs/*"))
    (tmp_path / "taken.zarr").mkdir()
    taken = run("trace", file, "--checkpoint", "mac", "--out", tmp_path / "taken.zarr")
    assert taken.exit_code == 2
    assert "exists already" in taken.output
    several = run("trace", file, "--checkpoint", "mac", "--checkpoint", "mag", "--out", tmp_path / "b.zarr")
    assert several.exit_code == 2
    assert "give a folder" in several.output


def test_what_is_printed_counts_from_one_and_help_says_so(tmp_path: Path) -> None:
    out = tmp_path / "a.zarr"
    result = run("trace", write(tmp_path, STORY * 5), "--checkpoint", "mag", "--out", out)
    assert result.exit_code == 0, result.output
    assert "the first 64 left out; tokens count from 1, as on the page; --set counts from 0" in result.output
    dataset = open_trace(out)
    values = sum_layers("surprise", dataset["surprise"].values)
    listed = passages(values, dataset["start"].values, dataset["end"].values, STORY * 5, skip=64)
    assert [int(place) for place in re.findall(r" token +(\d+) ", result.output)] == [p.token + 1 for p in listed] != []
    said = " ".join(run("trace", "--help").output.split())
    assert "wipe=200 empties the memory before the 201st token" in said
    assert "What is printed counts from 1" in said
    assert "What is printed counts tokens, layers and heads from 1" in " ".join(run("--help").output.split())


def test_changes_that_do_not_fit_are_named_as_they_were_typed(tmp_path: Path) -> None:
    file = write(tmp_path, STORY)
    far = run("trace", file, "--checkpoint", "mag", "--set", "wipe=999999", "--out", tmp_path / "runs")
    assert far.exit_code == 2
    assert "titans: wipe=999999: this text has tokens 0 to" in far.output
    both = ("--checkpoint", "mag", "--checkpoint", "lightning")
    none = run("trace", file, *both, "--set", "momentum=off", "--out", tmp_path / "runs")
    assert none.exit_code == 2
    assert (
        "titans: lightning has no memory that momentum=off could change; mac, mag, mal and lmm have one" in none.output
    )
    assert not (tmp_path / "runs").exists(), "refused before the first of them is run"


def test_commands_that_take_long_to_load_are_listed_and_loaded_when_called() -> None:
    listed = run("--help")
    assert listed.exit_code == 0
    commands = re.findall(r"^  (\w+)  ", listed.output.partition("Commands:")[2], re.MULTILINE)
    assert commands == ["bench", "compare", "eval", "memory", "niah", "recall", "retention", "sweep", "trace", "train"]
    for command, option in (
        ("train", "--resume"),
        ("eval", "--out"),
        ("compare", "--signal"),
        ("memory", "OTHER"),
        ("recall", "--fact"),
    ):
        shown = run(command, "--help")
        assert shown.exit_code == 0
        assert option in shown.output
    unknown = run("trian")
    assert unknown.exit_code == 2
    assert "No such command 'trian'" in unknown.output
