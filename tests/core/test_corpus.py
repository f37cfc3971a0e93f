import gzip
import json
import lzma

import numpy as np
import pytest

from titans_core.corpus import read_documents, token_stream, validation_documents
from titans_core.errors import ConfigError
from titans_core.tokenizer import Tokenizer

DOCUMENTS = [f"Document {i} isn't long.\n\nIt says é and 🚀 {i * 37} times." for i in range(200)]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.load()


def lines(documents: list[str]) -> bytes:
    return "".join(json.dumps({"source": "x", "text": text}) + "\n" for text in documents).encode()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(lines(DOCUMENTS[:100]))
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(lines(DOCUMENTS[100:130])))
    (tmp_path / "c.jsonl.xz").write_bytes(lzma.compress(lines(DOCUMENTS[130:])))
    (tmp_path / "SOURCES.md").write_text("not text to train on")
    return tmp_path


def test_folders_and_files_are_read_in_order(folder) -> None:
    assert list(read_documents(folder)) == DOCUMENTS
    assert list(read_documents([folder / "c.jsonl.xz", str(folder / "a.jsonl")])) == DOCUMENTS[130:] + DOCUMENTS[:100]


def test_blank_lines_are_skipped_and_surrogates_replaced(tmp_path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text('{"text": "one \\ud800 two"}\n\n{"text": "\\ud83d\\ude80 \\u2028"}')
    assert list(read_documents(file)) == ["one \ufffd two", "🚀 \u2028"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"{", "not valid JSON"),
        (b'{"text": "\xff"}', "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b'{"txt": "a"}', 'a string "text"'),
        (b'{"text": 3}', 'a string "text"'),
        (b'["text"]', 'a string "text"'),
    ],
    ids=range(6),
)
def test_a_malformed_line_is_named(tmp_path, line: bytes, said: str) -> None:
    file = tmp_path / "bad.jsonl"
    file.write_bytes(b'{"text": "fine"}\n' + line + b"\n")
    with pytest.raises(ConfigError, match=rf"bad\.jsonl, line 2 .*{said}"):
        list(read_documents(file))


@pytest.mark.parametrize(("ending", "pack"), [("gz", gzip.compress), ("xz", lzma.compress)])
def test_a_cut_or_damaged_archive_is_named(tmp_path, ending: str, pack) -> None:
    file = tmp_path / f"bad.jsonl.{ending}"
    packed = pack(lines(DOCUMENTS))
    for bad in (packed[:-20], b"no archive", packed[:60] + bytes(60) + packed[120:]):
        file.write_bytes(bad)
        with pytest.raises(ConfigError, match=rf"bad\.jsonl\.{ending} cannot be read"):
            list(read_documents(file))


def test_a_path_without_documents_is_named(tmp_path) -> None:
    (tmp_path / "a.txt").write_text("text")
    for path in (tmp_path, tmp_path / "a.txt", tmp_path / "missing.jsonl"):
        with pytest.raises(ConfigError, match=path.name):
            list(read_documents(path))


def test_the_stream_is_every_document_and_a_separator_for_any_number_of_workers(folder, tokenizer) -> None:
    one, three = (token_stream(folder, tokenizer, workers) for workers in (1, 3))
    assert one.dtype == np.uint16
    assert np.array_equal(one, three)
    ends = np.flatnonzero(one == tokenizer.separator)
    assert ends[-1] == len(one) - 1
    parts = np.split(one, ends + 1)[:-1]
    assert [tokenizer.decode(part) for part in parts] == DOCUMENTS
    assert parts[0][:-1].tolist() == tokenizer.encode(DOCUMENTS[0]).ids.tolist()


def test_validation_documents_know_their_bytes(folder, tokenizer) -> None:
    documents = validation_documents(folder / "c.jsonl.xz", tokenizer)
    assert [tokenizer.decode(ids) for ids, _ in documents] == DOCUMENTS[130:]
    assert [size for _, size in documents] == [len(text.encode()) for text in DOCUMENTS[130:]]


def test_an_empty_file_is_an_empty_stream(tmp_path, tokenizer) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"")
    assert token_stream(tmp_path, tokenizer, 1).shape == (0,)
