"""What a model is asked for: a cue, and the answer that should follow it. No torch here."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

import numpy as np

from titans_core.errors import TextError
from titans_core.tokenizer import Tokenizer


@dataclass(frozen=True)
class Question:
    """ids (T,): of the cue, on a line of its own, and of the answer, which begins with token `answer`."""

    ids: np.ndarray
    answer: int

    @classmethod
    def of(cls, tokenizer: Tokenizer, cue: str, answer: str) -> Question:
        """Raises TextError for an empty cue or answer."""
        if not cue.strip():
            raise TextError("the cue is empty; give the words that lead up to the answer")
        if not answer.strip():
            raise TextError("the answer is empty; give the words that should follow the cue")
        spaced = cue[-1].isspace() or answer[0].isspace() or (_of_words(cue[-1]) and _of_words(answer[0]))
        gap = " " if spaced else ""
        told = "\n" + cue.strip()
        encoding = tokenizer.encode(told + gap + answer.strip())
        begins = int(np.searchsorted(encoding.start, len(told)))
        if begins == len(encoding) or encoding.end[begins - 1] > len(told):
            raise TextError(f"the answer {answer!r} is one token with the end of the cue; put a space before it")
        return cls(encoding.ids, begins)


def _of_words(character: str) -> bool:
    """Whether it is of a script that puts spaces between words; wide characters are not."""
    return character.isalnum() and unicodedata.east_asian_width(character) not in ("W", "F")


def cue_of(fact: str, answer: str) -> str:
    """The fact up to the answer, where it stands last. Raises TextError where it does not, or nothing is before it."""
    if not fact.strip():
        raise TextError("the fact is empty; give the words that are asked for")
    before, found, _ = fact.rpartition(answer.strip()) if answer.strip() else ("", "", "")
    if not found:
        raise TextError(f"the answer {answer!r} is no part of the fact; give the cue, which is read before it")
    if not before.strip():
        what = "is the whole fact" if answer.strip() == fact.strip() else "begins the fact"
        raise TextError(f"the answer {what}, so nothing stands before it that could be the cue; give the cue")
    return before
