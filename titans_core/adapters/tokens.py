"""Tokenizers of other models: bytes, and those of the library `tokenizers`."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from tokenizers import Tokenizer as _Library

from titans_core.tokenizer import Encoding, display


class ByteTokenizer:
    """One token a byte of UTF-8, 256 ids, as for enwik8. Bytes of one character share its place."""

    @cached_property
    def pieces(self) -> list[str]:
        return [display(bytes([byte])) for byte in range(256)]

    def encode(self, text: str) -> Encoding:
        """Its bytes, each with the place of its character."""
        utf8 = np.frombuffer(text.encode(), np.uint8)
        character = np.cumsum((utf8 & 0xC0) != 0x80) - 1  # continuation bytes start none
        return Encoding(utf8.astype(np.int32), character, character + 1)


class HubTokenizer:
    """A tokenizer of the library `tokenizers`: Tokenizer.from_file("tokenizer.json"), or the `backend_tokenizer` of one
    of transformers. No special tokens are added.
    """

    def __init__(self, library: _Library) -> None:
        self._library = library

    @cached_property
    def pieces(self) -> list[str]:
        return [self._shown(token) for token in range(self._library.get_vocab_size())]

    def _shown(self, token: int) -> str:
        text = self._library.decode([token], skip_special_tokens=False)
        if text and "\ufffd" not in text:
            return display(text.encode())
        return self._library.id_to_token(token) or f"‹{token}›"  # a part of a character, or an id of nothing

    def encode(self, text: str) -> Encoding:
        """The library's ids and their places."""
        found = self._library.encode(text, add_special_tokens=False)
        spans = np.array(found.offsets, np.int64).reshape(-1, 2)
        return Encoding(np.array(found.ids, np.int32), spans[:, 0], spans[:, 1])
