"""Words and numbers, divided once and for all between training, choosing (validation) and testing."""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal, get_args

import numpy as np

from titans_core import assets
from titans_core.errors import ConfigError
from titans_core.tasks.compose import Composer, Value

Split = Literal["train", "validation", "test"]

_LETTERS = np.array(list("ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
_NAMES = 4000  # five-letter names are drawn from as many, so that each is encoded once


class Vocabulary:
    """What keys and values are drawn from. Nothing of one split is ever drawn in the other.

    - A word, or a five-letter variable name, is for testing when the CRC-32 of its letters is a multiple of 4 (about a
      quarter of them), and for validation when it is 1 more than a multiple of 16. An adjective-noun pair is made of
      two words of its split.
    - A number, and a uuid read as one, is for testing when its remainder by 97 is a multiple of 10 (about a tenth),
      and for validation when that is 1 more. No digit tells the split: a rule on the last digit would leave a digit
      that training never saw there.

    more: further words, of any split, for half of all keys and pairs: what is learned on few words is those words.

    Raises ConfigError for another split.
    """

    def __init__(self, composer: Composer, split: Split, more: Sequence[str] = ()) -> None:
        if split not in get_args(Split):
            raise ConfigError(f"split is {split!r}; it is one of {', '.join(get_args(Split))}")
        self._composer, self._split = composer, split
        self.adjectives = self._own(read_words("adjectives"))
        self.nouns = self._own(read_words("nouns"))
        self.words = sorted({*self.adjectives, *self.nouns})
        self._more = sorted(self._own(more))
        self._names = self._own(_all_names())

    def keys(self, rng: np.random.Generator, count: int, pairs: float = 0.0) -> list[Value]:
        """`count` distinct keys: single words, but adjective-noun pairs with probability `pairs`."""
        source = self._more if self._more and rng.random() < 0.5 else self.words
        words = [self._composer.word(source[i]) for i in _distinct(rng, len(source), count)]
        if not pairs:
            return words
        compound = (rng.random(count) < pairs).tolist()
        return [pair if c else w for c, w, pair in zip(compound, words, self.pairs(rng, count), strict=True)]

    def pairs(self, rng: np.random.Generator, count: int) -> list[Value]:
        """`count` distinct adjective-noun pairs."""
        first, second = self.adjectives, self.nouns
        if self._more and rng.random() < 0.5:
            first = second = self._more
        size = len(second)
        drawn = _distinct(rng, len(first) * size, count)
        return [self._composer.pair(first[i // size], second[i % size]) for i in drawn]

    def numbers(self, rng: np.random.Generator, count: int, digits: int = 7) -> list[Value]:
        """`count` distinct numbers of exactly `digits` digits, the first not 0."""
        found: dict[int, None] = {}
        while len(found) < count:
            drawn = rng.integers(10 ** (digits - 1), 10**digits, size=(2 if self._split == "train" else 12) * count)
            found.update(dict.fromkeys(drawn[_number_split(drawn) == self._split].tolist()))
        return [self._composer.number(number) for number in list(found)[:count]]

    def uuids(self, rng: np.random.Generator, count: int) -> list[Value]:
        """`count` random uuids of version 4."""
        found: list[Value] = []
        while len(found) < count:
            raw = bytearray(rng.bytes(16))
            raw[6], raw[8] = raw[6] & 0x0F | 0x40, raw[8] & 0x3F | 0x80
            if _number_split(np.array(int.from_bytes(raw) % 97)) == self._split:
                text = raw.hex()
                text = "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
                found.append(self._composer.uuid(text))
        return found

    def names(self, rng: np.random.Generator, count: int) -> list[Value]:
        """`count` distinct names of variables: five capital letters."""
        return [self._composer.word(self._names[i]) for i in _distinct(rng, len(self._names), count)]

    def _own(self, words: Iterable[str]) -> list[str]:
        return [word for word in words if _word_split(word) == self._split]


def _word_split(word: str) -> Split:
    code = zlib.crc32(word.encode())
    return "test" if code % 4 == 0 else "validation" if code % 16 == 1 else "train"


def _number_split(numbers: np.ndarray) -> np.ndarray:
    place = numbers % 97 % 10
    return np.where(place == 0, "test", np.where(place == 1, "validation", "train"))


def frequent_words(text: str, least: int = 5) -> list[str]:
    """Lower-case words of 3 to 12 letters that stand in `text` at least so often, sorted."""
    counts = Counter(re.findall(r"(?<![\w'-])[a-z]{3,12}(?![\w'-])", text))
    return sorted(word for word, count in counts.items() if count >= least)


def read_words(name: str) -> list[str]:
    """The words of assets/words/NAME.txt, one a line. Raises ConfigError where the file cannot be read."""
    path = assets.ROOT / "words" / f"{name}.txt"
    try:
        return path.read_text("utf-8").split()
    except OSError as error:
        raise ConfigError(f"cannot read the word list {path}: {error.strerror}; it ships with the project") from None


def _all_names() -> list[str]:
    drawn = np.random.default_rng(5).integers(0, 26, size=(_NAMES, 5))
    return sorted({"".join(row) for row in _LETTERS[drawn].tolist()})


def _distinct(rng: np.random.Generator, size: int, count: int) -> list[int]:
    """`count` different numbers below `size`. Raises ConfigError when there are not so many."""
    if count > size:
        raise ConfigError(f"{count:,} different words are asked for and there are {size:,}; ask for a shorter text")
    if count * 3 > size:
        return rng.permutation(size)[:count].tolist()
    found: dict[int, None] = {}
    while len(found) < count:
        found.update(dict.fromkeys(rng.integers(0, size, size=count + 2).tolist()))
    return list(found)[:count]
