"""Training text: JSON lines with "text", plain, .gz or .xz, as documents or as one stream of token ids."""

from __future__ import annotations

import gzip
import json
import lzma
import multiprocessing
import os
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from titans_core.documents import read_text
from titans_core.errors import ConfigError, TextError
from titans_core.tokenizer import Tokenizer

Paths = str | Path | Iterable[str | Path]

_OPENERS: dict[str, Any] = {".jsonl": open, ".jsonl.gz": gzip.open, ".jsonl.xz": lzma.open}
_SURROGATE = re.compile("[\ud800-\udfff]")
_ACCEPTED = (
    "give a JSONL file (.jsonl, .jsonl.gz or .jsonl.xz), a folder of them or of .txt and .md files, "
    "a .npy file of token ids, or hub:NAME of a dataset"
)
_BATCH = 64  # documents encoded at once: enough to amortise the call, little to hold in memory


def corpus_files(paths: Paths) -> list[Path]:
    """The files that `paths` (files, or folders of .jsonl, .jsonl.gz and .jsonl.xz) name; a folder's by name.

    Raises ConfigError for a path that does not exist, has another ending or holds no such file.
    """
    files: list[Path] = []
    for path in [Path(paths)] if isinstance(paths, str | Path) else map(Path, paths):
        found = _jsonl_files(path)
        if not found:
            raise ConfigError(f"{path} is neither a .jsonl, .jsonl.gz or .jsonl.xz file nor a folder of them")
        files += found
    return files


def read_documents(paths: Paths) -> Iterator[str]:
    """The "text" of every line, in order. Blank lines are skipped, lone surrogates become U+FFFD.

    Raises ConfigError naming file and line for what is not a JSON object with a string "text".
    """
    for file in corpus_files(paths):
        number = 0
        try:
            with _OPENERS[_ending(file)](file, "rb") as lines:
                for number, line in enumerate(lines, 1):
                    if line.strip():
                        yield _document(line, f"{file}, line {number}")
        except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
            raise ConfigError(f"{file} cannot be read after line {number}: {error}") from None


def token_stream(paths: Paths, tokenizer: Tokenizer, workers: int) -> np.ndarray:
    """uint16 (N,): each document's ids followed by the separator, in the order of `read_documents`.

    Files are encoded in parallel by `workers` processes; the result does not depend on their number.
    """
    files = corpus_files(paths)
    workers = min(workers, len(files))
    if workers <= 1:
        return np.concatenate([_encode_file(file, tokenizer) for file in files])
    context = multiprocessing.get_context("spawn")  # the tokenizer library's threads do not survive a fork
    with context.Pool(workers, _one_thread) as pool:
        return np.concatenate(pool.starmap(_encode_file, [(file, tokenizer) for file in files], chunksize=1))


def training_stream(sources: Sequence[str], tokenizer: Tokenizer, workers: int) -> np.ndarray:
    """uint16 (N,): the tokens of every source in order, a separator after each document.

    A source is a JSONL file, a folder of JSONL files (of those named train-* where there are such) or else of .txt and
    .md files, a .npy file of token ids, or hub:NAME, the "text" column of a dataset's train split, read with the
    `datasets` library. Raises ConfigError for a source that is none of these or cannot be read, naming it.
    """
    parts = [read() for read in [_reader(source, tokenizer, workers) for source in sources]]  # all of them found first
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _reader(source: str, tokenizer: Tokenizer, workers: int) -> Callable[[], np.ndarray]:
    path = Path(source)
    if source.startswith("hub:"):
        return lambda: _encode(_hub_documents(source[4:]), tokenizer)
    if path.suffix == ".npy" and path.is_file():
        return lambda: _saved_ids(path, tokenizer)
    if texts := _text_files(path):
        return lambda: _encode(map(_read_file, texts), tokenizer)
    files = _jsonl_files(path)
    if not files:
        found = "holds nothing to train on" if path.is_dir() else "is not a JSONL file"
        why = found if path.exists() else "does not exist"
        raise ConfigError(f"{source} {why}; {_ACCEPTED}")
    train = [file for file in files if path.is_dir() and file.name.startswith("train-")]
    return lambda: token_stream(train or files, tokenizer, workers)


def _jsonl_files(path: Path) -> list[Path]:
    """The file itself or those in a folder, by name."""
    found = sorted(path.iterdir()) if path.is_dir() else [path]
    return [p for p in found if _ending(p) and p.is_file()]


def _text_files(path: Path) -> list[Path]:
    """The .txt and .md files under a folder; none where JSONL lies in it: they then only tell about it."""
    if not path.is_dir() or any(map(_ending, path.iterdir())):
        return []
    return sorted(p for p in path.rglob("*") if p.suffix in (".txt", ".md") and p.is_file())


def _read_file(path: Path) -> str:
    try:
        return read_text(path.read_bytes())
    except (OSError, TextError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None


def _saved_ids(path: Path, tokenizer: Tokenizer) -> np.ndarray:
    try:
        ids: np.ndarray = np.load(path, mmap_mode="r")
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read as an array: {error}") from None
    known = tokenizer.vocab_size
    if ids.ndim != 1 or ids.dtype.kind not in "iu" or (ids.size and not 0 <= ids.min() <= ids.max() < known):
        raise ConfigError(f"{path} must hold one row of token ids, whole numbers below {known:,}")
    return ids if ids.dtype == np.uint16 else ids.astype(np.uint16)


def _hub_documents(name: str) -> Iterator[str]:
    try:
        import datasets  # type: ignore[import-not-found, unused-ignore]  # noqa: PLC0415 (optional)
    except ImportError:
        raise ConfigError(f"hub:{name} needs the datasets library; pip install datasets") from None
    for row in datasets.load_dataset(name, split="train", streaming=True):
        yield _SURROGATE.sub("\ufffd", row["text"])


def validation_documents(path: Paths, tokenizer: Tokenizer) -> list[tuple[np.ndarray, int]]:
    """Each document's ids, int32 (T,), and its size in UTF-8 bytes, for losses in bits per byte."""
    texts = list(read_documents(path))
    return [(ids, len(text.encode())) for ids, text in zip(tokenizer.encode_ids(texts), texts, strict=True)]


def _encode_file(file: Path, tokenizer: Tokenizer) -> np.ndarray:
    return _encode(read_documents(file), tokenizer)


def _encode(documents: Iterator[str], tokenizer: Tokenizer) -> np.ndarray:
    separator = np.array([tokenizer.separator], np.uint16)
    parts: list[np.ndarray] = []
    for texts in _batches(documents):
        for ids in tokenizer.encode_ids(texts):
            parts += [ids.astype(np.uint16), separator]
    return np.concatenate(parts) if parts else np.empty(0, np.uint16)


def _batches(texts: Iterator[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    for text in texts:
        batch.append(text)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _one_thread() -> None:
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # in the worker: one process a core is parallel enough


def _ending(path: Path) -> str:
    return next((ending for ending in _OPENERS if path.name.endswith(ending)), "")


def _document(line: bytes, where: str) -> str:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{where} is not valid JSON: {error}") from None
    text = record.get("text") if isinstance(record, dict) else None
    if not isinstance(text, str):
        raise ConfigError(f'{where} must be a JSON object with a string "text"')
    return _SURROGATE.sub("\ufffd", text)
