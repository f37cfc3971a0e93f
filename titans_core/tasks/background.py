"""Text for facts to hide in: prose from a corpus, a line repeated, or random words.

Every source has draw(rng, n) -> Draw: exactly n tokens that begin with a space and a letter, and where sentences
begin among them. They may be cut at any of these places, and at their end, without changing how they encode.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from titans_core.errors import ConfigError
from titans_core.tasks.compose import Composer
from titans_core.tokenizer import SEPARATOR, Tokenizer

LINE = "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again."
_TITLES = {"Mr", "Mrs", "Ms", "Dr", "St", "Prof", "Capt", "Col", "Gen", "Fig"}
_TRIES = 256  # slices to look at for one that ends with a word
_PER_SENTENCE = 8  # words in a sentence of random words


class Draw(NamedTuple):
    """ids: int32 (n,); starts: int64 (k,), where sentences begin, the first at 0."""

    ids: np.ndarray
    starts: np.ndarray


class Source(Protocol):
    def draw(self, rng: np.random.Generator, n: int) -> Draw: ...


class Prose:
    """Slices of a token stream, documents divided by separators, from random starts of sentences.

    A sentence starts with a space and a capital letter after a full stop, an exclamation or a question mark.

    stream: uint16 or int32 (N,), not copied. A slice ends at the end of a word. Separators never come out: a
    draw longer than what is left of a document goes on with another slice.

    Raises ConfigError for a stream without sentences.
    """

    def __init__(self, stream: np.ndarray, tokenizer: Tokenizer) -> None:
        self._stream = stream
        kinds = _piece_kinds(tokenizer)
        self._begins, self._closes = kinds.begins, kinds.closes
        at = np.flatnonzero(kinds.capital[stream[1:]] & kinds.stops[stream[:-1]]) + 1
        at = at[(at < 2) | ~kinds.titles[stream[at - 2]]]
        documents = np.searchsorted(np.flatnonzero(stream == SEPARATOR), at)
        last = np.searchsorted(documents, documents, side="right") - 1
        room = at[last] - at  # whole sentences from here to the last one that begins in this document
        if not room.any():
            raise ConfigError(f"the {len(stream):,} tokens of prose hold no full sentence; give running text")
        self._starts = at
        self._usable = np.flatnonzero(room)
        self._room = room

    def draw(self, rng: np.random.Generator, n: int) -> Draw:
        """n tokens, as many slices as that takes. Raises ConfigError where the stream has no slice that fits."""
        ids: list[np.ndarray] = []
        starts: list[np.ndarray] = []
        done = 0
        while done < n:
            which, length = self._slice(rng, n - done)
            first = int(self._starts[which])
            end = int(np.searchsorted(self._starts[which:], first + length)) + which
            ids.append(self._stream[first : first + length])
            starts.append(self._starts[which:end] + (done - first))
            done += length
        if not ids:
            return Draw(np.empty(0, np.int32), np.zeros(1, np.int64))
        return Draw(np.concatenate(ids).astype(np.int32, copy=False), np.concatenate(starts))

    def _slice(self, rng: np.random.Generator, wanted: int) -> tuple[int, int]:
        """Index of a start and the tokens to take from there: all that are wanted, or up to the last sentence."""
        for which in self._usable[rng.integers(0, len(self._usable), size=_TRIES)].tolist():
            room = int(self._room[which])
            if room < wanted:
                return which, room
            if self._word_ends(int(self._starts[which]) + wanted):
                return which, wanted
        raise ConfigError(f"no stretch of {wanted:,} tokens in the prose ends with a word; give more running text")

    def _word_ends(self, at: int) -> bool:
        return bool(self._begins[self._stream[at]] & self._closes[self._stream[at - 1]])


class Repeat:
    """RULER's repeated line, from a random sentence but the first; lines are divided by line ends, as in RULER."""

    def __init__(self, composer: Composer) -> None:
        first, *rest = [sentence + "." for sentence in LINE[:-1].split(". ")]
        sentences = [composer.ids(sentence) for sentence in [*(" " + s for s in rest), "\n" + first]]
        self._cycle = np.array([i for sentence in sentences for i in sentence], np.int32)
        self._at = np.cumsum([0, *map(len, sentences[:-1])])
        word_end = {composer.ids("\n")[0], composer.ids(".")[0], *(composer.ids(" " + w)[0] for w in LINE.split())}
        ends = np.isin(self._cycle, list(word_end))
        whole = ends[(self._at[:-1, None] + np.arange(len(ends))) % len(ends)]
        self._offsets = [self._at[:-1][column] for column in whole.T]  # by the length: those that end with a word

    def draw(self, rng: np.random.Generator, n: int) -> Draw:
        offsets = self._offsets[n % len(self._cycle)]
        offset = int(offsets[rng.integers(len(offsets))])
        rounds = (offset + n) // len(self._cycle) + 1
        starts = (np.arange(rounds)[:, None] * len(self._cycle) + self._at).ravel() - offset
        ids = np.tile(self._cycle, rounds)[offset : offset + n]
        return Draw(ids, starts[(starts == 0) | ((starts > 0) & (starts < n))])


class Words:
    """Sentences of random words: filler that no language model can predict."""

    def __init__(self, composer: Composer, words: Sequence[str]) -> None:
        encoded = [composer.ids(" " + word) for word in words]
        self._length = np.array([len(ids) for ids in encoded])
        self._table = np.zeros((len(encoded), int(self._length.max()) + 1), np.int32)
        for row, ids in zip(self._table, encoded, strict=True):
            row[: len(ids)] = ids
        self._short = np.flatnonzero(self._length == 1)
        self._stop = composer.ids(".")[0]

    def draw(self, rng: np.random.Generator, n: int) -> Draw:
        which = rng.integers(0, len(self._table), size=n)
        stops = np.arange(n) % _PER_SENTENCE == _PER_SENTENCE - 1
        lengths = self._length[which] + stops
        ends = np.cumsum(lengths)
        full = int(np.searchsorted(ends, n, side="right"))  # words that fit; short ones fill the rest
        used = int(ends[full - 1]) if full else 0
        short = self._short[rng.integers(0, len(self._short), size=n - used)]
        rows = self._table[which[:full]]
        rows[stops[:full], self._length[which[:full]][stops[:full]]] = self._stop
        kept = rows[np.arange(rows.shape[1]) < lengths[:full, None]]
        starts = (ends - lengths)[:full][::_PER_SENTENCE]
        return Draw(np.concatenate([kept, self._table[short, 0]]), starts if full else np.zeros(1, np.int64))


class _Kinds(NamedTuple):
    """Of each token id, bool (4096,): does its piece...

    begins, capital: begin with a space and a letter, with a space and a capital letter; closes: end in a visible
    ASCII sign; stops: end like a sentence, quotes and brackets aside; titles: need a full stop to be complete.
    """

    begins: np.ndarray
    capital: np.ndarray
    closes: np.ndarray
    stops: np.ndarray
    titles: np.ndarray


def _piece_kinds(tokenizer: Tokenizer) -> _Kinds:
    pieces = [tokenizer.decode([i]) for i in range(tokenizer.vocab_size)]
    letter = np.array([len(piece) > 1 and piece[0] == " " and piece[1].isalpha() for piece in pieces])
    upper = np.array([piece[1:2].isupper() for piece in pieces])
    closes = np.array(["!" <= piece[-1:] <= "~" for piece in pieces])
    stops = np.array([piece.rstrip("\"')”’")[-1:] in {".", "!", "?"} for piece in pieces])
    # "Mr. Pask" and "J. Pask" go on behind the full stop.
    titles = np.array(
        [piece.strip() in _TITLES or (len(piece.strip()) == 1 and piece[-1].isupper()) for piece in pieces]
    )
    return _Kinds(letter, letter & upper, closes, stops, titles)
