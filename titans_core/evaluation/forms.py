"""What a well-formed answer of a task looks like, and what kind of error a wrong one is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from titans_core.tokenizer import Tokenizer

KINDS = ("incomplete", "other", "invented", "malformed")


class Form(NamedTuple):
    """pattern: a whole value, without the space before it; tokens: how many to decode in search of one."""

    pattern: re.Pattern[str]
    tokens: int


class Value(NamedTuple):
    """A decoded value, and how many of the decoded tokens it is made of."""

    text: str
    tokens: int


_NUMBER = Form(re.compile(r"[0-9]{7}"), 7)
_WORD = Form(re.compile(r"[a-z]+-[a-z]+"), 9)  # no adjective-noun pair takes more than 8 tokens; one more shows its end
_FORMS = {
    "passkey": _NUMBER,
    "number": _NUMBER,
    "multikey": _NUMBER,
    "multivalue": _NUMBER,
    "multiquery": _NUMBER,
    "word": _WORD,
    "uuid": Form(re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), 36),
    "recall": Form(re.compile(r"[0-9]{4}|[a-z]+"), 6),
    "copy": Form(re.compile(r"[a-z]+( [a-z]+){7}"), 41),
    "tracking": Form(re.compile(r"[A-Z]{5}"), 6),
}
_ANSWER_WORD = Form(re.compile(r"[A-Za-z]+"), 6)


def form_of(task: str) -> Form:
    """The form of one value of `task`; of a task not listed (bAbI): a single word."""
    return _FORMS.get(task, _ANSWER_WORD)


def find_value(tokenizer: Tokenizer, decoded: Sequence[int], form: Form) -> Value | None:
    """The longest beginning of `decoded` that is a value of this form, or None."""
    for count in range(min(len(decoded), form.tokens), 0, -1):
        text = tokenizer.decode(decoded[:count]).removeprefix(" ")
        if form.pattern.fullmatch(text):
            return Value(text, count)
    return None


def error_kind(text: np.ndarray, decoded: Sequence[int], value: Value | None, first_right: bool) -> str:
    """Why an answer is wrong.

    incomplete: the first value is right and a later one is not; other: a value that stands elsewhere in the
    text; invented: well-formed, but nowhere in the text; malformed: no value at all.

    text: ids (N,) before the answer; decoded: what greedy decoding went on with, `value` found at its beginning.
    """
    if first_right:
        return "incomplete"
    if value is None:
        return "malformed"
    return "other" if _occurs(text, decoded[: value.tokens]) else "invented"


def _occurs(text: np.ndarray, wanted: Sequence[int]) -> bool:
    at = np.flatnonzero(text[: len(text) - len(wanted) + 1] == wanted[0])
    for offset, token in enumerate(wanted[1:], 1):
        at = at[text[at + offset] == token]
    return len(at) > 0
