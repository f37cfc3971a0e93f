"""What is known of texts before anything is run: what was read of a file, and how many tokens there are."""

from __future__ import annotations

import functools
import hashlib
import sys
import threading

from app.bare import bare
from app.kept import Kept
from titans_core.documents import Document, read_document
from titans_core.errors import TitansError
from titans_core.probes.places import Place, tokens_of
from titans_core.tokenizer import Tokenizer

_reading = threading.local()  # .data: the bytes that this thread reads; a cache would keep them in its keys


def _take(key: tuple[bytes, str, str | None]) -> tuple[Document | None, str]:
    try:
        return read_document(_reading.data, *key[1:]), ""
    except TitansError as error:
        return None, bare(error)


_documents = Kept(250_000_000, _take, lambda found: 1_000 + sys.getsizeof(found[0].text if found[0] else found[1]))


def document(data: bytes, name: str, encoding: str | None) -> tuple[Document | None, str]:
    """What was read of a file, or why it could not be. Neither is found out again with every click."""
    _reading.data = data
    try:
        return _documents((hashlib.sha256(data).digest(), name, encoding))
    finally:
        del _reading.data


@functools.cache
def tokenizer() -> Tokenizer:
    return Tokenizer.load()


@functools.lru_cache(maxsize=16)
def count_tokens(text: str) -> int | None:
    """How many tokens a text has; None where it cannot be tokenized."""
    try:
        return len(tokenizer().encode(text))
    except TitansError:
        return None


@functools.lru_cache(maxsize=4)
def fact_tokens(place: Place) -> tuple[int, int, int] | None:
    """The first token of the fact, the one after its last, and of the whole text how many; None where it has none."""
    try:
        encoding = tokenizer().encode(place.text)
    except TitansError:
        return None
    return *tokens_of(encoding, place), len(encoding)
