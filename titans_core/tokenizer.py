"""Byte-level BPE: 4,095 pieces from the `tokenizers` file plus one separator that no text can produce.

Any string of Unicode scalar values round-trips exactly: nothing is normalised, and all 256 bytes are pieces.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer as _Library

from titans_core import assets
from titans_core.documents import lone_surrogate
from titans_core.errors import CheckpointError, TextError

VOCAB_SIZE = 4096
SEPARATOR = VOCAB_SIZE - 1  # unknown to the library, so no user text can contain it

_SAFE_CUT = re.compile("[!-~](?=[ \\n])|[0-9](?=[0-9])")
_PICTURES = {code: chr(0x2400 + code) for code in range(32)} | {ord("\n"): "⏎", 0x7F: "␡"}


@dataclass(frozen=True)
class Encoding:
    """The T tokens of a text.

    ids: int32 (T,); start, end: int64 (T,), so that text[start[t]:end[t]] is every character of which token t
    holds at least one byte. Tokens that share one multi-byte character share its span.
    """

    ids: np.ndarray
    start: np.ndarray
    end: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)


class Tokenizer:
    """Text to token ids and back. `data` is the content of a tokenizer file, and kept.

    `pieces[id]` is how a token is shown: its own text where its bytes form text, with control characters as
    control pictures (NUL as ␀, tab as ␉, but newline as ⏎), invisible ones by code point (‹U+200B›), and
    pieces of spaces alone as ␠; else its bytes in hex (‹F0 9F›).

    Raises CheckpointError for data that is not a tokenizer file of 4,095 byte-level pieces.
    """

    vocab_size = VOCAB_SIZE
    separator = SEPARATOR

    def __init__(self, data: bytes, name: str = "tokenizer") -> None:
        self.data = data
        self._library = _library(data, name)
        self._bytes = [*_piece_bytes(self._library, name), b""]  # the separator stands for no text
        self._lengths = np.array([len(piece) for piece in self._bytes], np.int64)
        self.pieces: list[str] = [*map(display, self._bytes[:-1]), "‹separator›"]
        self.digest: str = hashlib.sha256(data).hexdigest()

    @classmethod
    def load(cls, path: str | Path | None = None) -> Tokenizer:
        """The tokenizer at `path`, or the packaged one. Raises CheckpointError for a bad or missing file."""
        path = assets.ROOT / "tokenizer.json" if path is None else Path(path)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise CheckpointError(f"cannot read the tokenizer file {path}: {error.strerror}") from None
        return cls(data, str(path))

    def __reduce__(self) -> tuple[Any, ...]:
        return Tokenizer, (self.data,)

    def encode(self, text: str) -> Encoding:
        """The tokens of `text` with their character spans. Raises TextError for a lone surrogate."""
        try:
            utf8 = np.frombuffer(text.encode(), np.uint8)
        except UnicodeEncodeError as error:
            raise lone_surrogate(text, error.start) from None
        ids = np.concatenate(self.encode_ids(_stretches(text)))
        ends = np.cumsum(self._lengths[ids])
        if (ends[-1] if len(ends) else 0) != len(utf8):
            raise CheckpointError("the tokenizer file is damaged: its tokens do not add up to the text")
        character = np.cumsum((utf8 & 0xC0) != 0x80) - 1  # of each byte: continuation bytes start none
        return Encoding(ids, character[ends - self._lengths[ids]], character[ends - 1] + 1)

    def encode_ids(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Ids, int32 (T,), of each of many texts (no lone surrogates), without spans: for training data."""
        encodings = self._library.encode_batch_fast(list(texts), add_special_tokens=False)
        return [np.array(encoding.ids, np.int32) for encoding in encodings]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of `ids`. Separators give nothing; bytes that form no character give U+FFFD.

        Raises TextError for an id outside 0..4095.
        """
        values = np.asarray(ids if isinstance(ids, np.ndarray) else list(ids), np.int64)
        outside = values[(values < 0) | (values >= VOCAB_SIZE)]
        if len(outside):
            raise TextError(f"token id {outside[0]} is outside 0..{VOCAB_SIZE - 1}")
        return b"".join([self._bytes[i] for i in values.tolist()]).decode(errors="replace")


def _stretches(text: str, size: int = 1 << 16) -> list[str]:
    """`text` cut where its encoding cannot change: before white space after a sign, and between digits.

    No alternative of training.tokenizer.SPLIT crosses these places. Stretches encode in parallel and take a
    fraction of the memory of one long text.
    """
    cuts = [0]
    while found := _SAFE_CUT.search(text, cuts[-1] + size - 1):
        cuts.append(found.end())
    return [text[a:b] for a, b in itertools.pairwise([*cuts, len(text)])]


def _library(data: bytes, name: str) -> _Library:
    try:
        return _Library.from_str(data.decode())
    except Exception as error:  # the library raises bare Exception
        raise CheckpointError(f"{name} is not a tokenizer file or is damaged: {error}") from None


def _piece_bytes(library: _Library, name: str) -> list[bytes]:
    """The bytes of ids 0..4094, checked to be byte-level pieces that cover all 256 single bytes."""
    model = json.loads(library.to_str())["model"]
    if model["type"] != "BPE":
        raise CheckpointError(f"{name} holds a {model['type']} model; a byte-level BPE tokenizer is needed")
    byte_of = {shown: byte for byte, shown in enumerate(_byte_alphabet())}
    try:
        by_id = {i: bytes(byte_of[shown] for shown in piece) for piece, i in model["vocab"].items()}
        pieces = [by_id[i] for i in range(VOCAB_SIZE - 1)]
    except KeyError as error:
        raise CheckpointError(f"{name} is not a byte-level tokenizer of {VOCAB_SIZE - 1} pieces: {error}") from None
    if library.get_vocab_size() != len(pieces) or len({p for p in pieces if len(p) == 1}) != 256:
        raise CheckpointError(f"{name} must hold {VOCAB_SIZE - 1} pieces, all 256 bytes among them, nothing else")
    return pieces


def _byte_alphabet() -> list[str]:
    """How a byte-level BPE file writes byte 0..255: itself where printable Latin-1, else U+0100 onwards."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(0x100, 0x200))
    return [chr(byte if byte in printable else next(others)) for byte in range(256)]


def display(piece: bytes) -> str:
    """How a piece of a text is shown: see Tokenizer."""
    try:
        text = piece.decode()
    except UnicodeDecodeError:
        return f"‹{piece.hex(' ').upper()}›"
    if text.isspace():
        text = text.replace(" ", "␠")
    return "".join(_PICTURES.get(ord(c)) or (c if _visible(c) else f"‹U+{ord(c):04X}›") for c in text)


def _visible(character: str) -> bool:
    return character == " " or unicodedata.category(character)[0] not in "CZ"
