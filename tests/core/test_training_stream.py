"""Every kind of source a training can read its text from."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from titans_core.corpus import training_stream
from titans_core.errors import ConfigError
from titans_core.tokenizer import Tokenizer

TEXTS = [f"Document {i} isn't long.\n\nIt says é and 🚀 {i * 37} times." for i in range(9)]


ACCEPTED = r"give a JSONL file \(\.jsonl, .*gz or .*xz\), a folder of them or of \.txt and \.md files, .* or hub:NAME"


def write(path: Path, texts: list[str]) -> Path:
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), "utf-8")
    return path


def texts_of(stream: np.ndarray, tokenizer: Tokenizer) -> list[str]:
    """Its documents; every one ends with a separator."""
    assert stream.dtype == np.uint16
    ends = np.flatnonzero(stream == tokenizer.separator)
    assert ends[-1] == len(stream) - 1
    return [tokenizer.decode(part) for part in np.split(stream, ends + 1)[:-1]]


def test_of_a_folder_the_training_files_are_read(tmp_path: Path, tokenizer: Tokenizer) -> None:
    write(tmp_path / "train-0.jsonl", TEXTS[:2])
    write(tmp_path / "train-1.jsonl", TEXTS[2:4])
    write(tmp_path / "validation.jsonl", TEXTS[4:])
    (tmp_path / "SOURCES.md").write_text("Where these files come from.")
    for workers in (1, 2):
        assert texts_of(training_stream([str(tmp_path)], tokenizer, workers), tokenizer) == TEXTS[:4]


def test_of_a_folder_without_such_names_every_file_is_read(tmp_path: Path, tokenizer: Tokenizer) -> None:
    write(tmp_path / "a.jsonl", TEXTS[:2])
    write(tmp_path / "b.jsonl", TEXTS[2:])
    (tmp_path / "README.md").write_text("Not text to train on.")
    assert texts_of(training_stream([str(tmp_path)], tokenizer, 1), tokenizer) == TEXTS
    assert texts_of(training_stream([str(tmp_path / "a.jsonl")], tokenizer, 1), tokenizer) == TEXTS[:2]


def test_a_folder_of_texts_is_read_with_all_below_it(tmp_path: Path, tokenizer: Tokenizer) -> None:
    (tmp_path / "part.md").mkdir()
    (tmp_path / "part.md" / "z.txt").write_text(TEXTS[1], "utf-16")
    (tmp_path / "a.md").write_text(TEXTS[0], "utf-8")
    (tmp_path / "b.csv").write_text("not,text")
    assert texts_of(training_stream([str(tmp_path)], tokenizer, 1), tokenizer) == TEXTS[:2]


@pytest.mark.parametrize("dtype", [np.uint16, np.int64])
def test_saved_ids_are_taken_as_they_are(dtype: type, tmp_path: Path, tokenizer: Tokenizer) -> None:
    ids = np.array([5, 4095, 0, 17], dtype)
    np.save(tmp_path / "ids.npy", ids)
    stream = training_stream([str(tmp_path / "ids.npy")], tokenizer, 1)
    assert stream.dtype == np.uint16
    np.testing.assert_array_equal(stream, ids)


def test_sources_are_mixed_in_their_order(tmp_path: Path, tokenizer: Tokenizer) -> None:
    lines = write(tmp_path / "a.jsonl", TEXTS[:3])
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "one.txt").write_text(TEXTS[3], "utf-8")
    np.save(tmp_path / "ids.npy", np.append(tokenizer.encode(TEXTS[4]).ids, tokenizer.separator).astype(np.uint16))
    sources = [str(tmp_path / "texts"), str(lines), str(tmp_path / "ids.npy")]
    assert texts_of(training_stream(sources, tokenizer, 2), tokenizer) == [TEXTS[3], *TEXTS[:3], TEXTS[4]]


@pytest.mark.parametrize(
    "ids", [np.array([5, 4096]), np.array([-1, 5]), np.array([[1, 2]]), np.array([0.5]), np.array(["a"])], ids=str
)
def test_what_are_no_token_ids_is_refused(ids: np.ndarray, tmp_path: Path, tokenizer: Tokenizer) -> None:
    np.save(tmp_path / "ids.npy", ids)
    with pytest.raises(ConfigError, match=r"ids\.npy must hold one row of token ids, whole numbers below 4,096"):
        training_stream([str(tmp_path / "ids.npy")], tokenizer, 1)


def test_what_cannot_be_read_is_named(tmp_path: Path, tokenizer: Tokenizer) -> None:
    (tmp_path / "ids.npy").write_bytes(b"no array")
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "bad.txt").write_bytes(b"good until \xff here")
    (tmp_path / "empty").mkdir()
    for source, said in [
        ("ids.npy", r"ids\.npy cannot be read as an array"),
        ("objects.npy", r"objects\.npy cannot be read as an array"),
        ("texts", r"bad\.txt cannot be read: byte 0xFF at offset 11"),
        ("empty", rf"empty holds nothing to train on; {ACCEPTED}"),
        ("nowhere", rf"nowhere does not exist; {ACCEPTED}"),
        ("texts/bad.txt", rf"bad\.txt is not a JSONL file; {ACCEPTED}"),
    ]:
        with pytest.raises(ConfigError, match=said):
            training_stream([str(tmp_path / source)], tokenizer, 1)


def test_every_source_is_found_before_the_first_is_read(tmp_path: Path, tokenizer: Tokenizer) -> None:
    (tmp_path / "bad.jsonl").write_text("not JSON")
    with pytest.raises(ConfigError, match="nowhere does not exist"):
        training_stream([str(tmp_path / "bad.jsonl"), str(tmp_path / "nowhere")], tokenizer, 1)


def test_a_hub_dataset_needs_the_library(tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)  # as where it is not installed
    with pytest.raises(ConfigError, match=r"hub:some/name needs the datasets library; pip install datasets"):
        training_stream(["hub:some/name"], tokenizer, 1)


@pytest.mark.skipif(importlib.util.find_spec("datasets") is None, reason="the library `datasets` is not installed")
@pytest.mark.filterwarnings("default")  # of that library's own
def test_a_hub_dataset_is_read(tmp_path: Path, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    (tmp_path / "set").mkdir()
    write(tmp_path / "set" / "train.jsonl", TEXTS)
    assert texts_of(training_stream([f"hub:{tmp_path / 'set'}"], tokenizer, 1), tokenizer) == TEXTS
