"""Templates filled at token level, equal to encoding the filled text.

The tokenizer never merges across a space before a letter, a line end after a sign, or the edges of a digit, so
ids can be put together there. Hence the rules of this package: what is put together begins with a space and a
letter or with a line end, and ends in a letter, a digit or a sign, never in white space.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from titans_core.tasks.episode import Role
from titans_core.tokenizer import Tokenizer

_FIELD = re.compile(r"\{(\w+)\}")
_UUID_RUN = re.compile(r"[0-9]|[a-f]+|-")


class Value(NamedTuple):
    """A key or a value with the space before it. ids: its tokens; lead: tokens before them that no one must guess."""

    text: str
    ids: list[int]
    lead: Sequence[int] = ()


class Piece(NamedTuple):
    """Tokens that stand together in a text: a fact or a question. answers: texts of its answer spans, in order."""

    ids: list[int]
    roles: list[int]
    answers: tuple[str, ...] = ()


class Composer:
    """Encodes each word and each fixed part of a template once."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._ids: dict[str, list[int]] = {}
        self._templates: dict[str, list[tuple[list[int], str]]] = {}
        self._digits = {digit: self.ids(digit)[0] for digit in "0123456789"}
        self._space = self.ids(" ")
        self._comma = self.ids(",")

    def ids(self, text: str) -> list[int]:
        """The tokens of `text`; remembered, so for texts that come again."""
        found = self._ids.get(text)
        if found is None:
            found = self._ids[text] = self._tokenizer.encode_ids([text])[0].tolist()
        return found

    def word(self, word: str) -> Value:
        return Value(word, self.ids(" " + word))

    def pair(self, adjective: str, noun: str) -> Value:
        return Value(f"{adjective}-{noun}", self.ids(" " + adjective) + self.ids("-" + noun))

    def bare(self, value: Value) -> Value:
        """A word without the space before it, for the start of a line."""
        return Value(value.text, self.ids(value.text))

    def number(self, number: int) -> Value:
        """A number: the space before it is a token of its own, every digit is one token."""
        text = str(number)
        return Value(text, [self._digits[digit] for digit in text], self._space)

    def uuid(self, text: str) -> Value:
        runs = _UUID_RUN.findall(text)
        ids = [i for run in runs[1:] for i in self.ids(run)]
        if runs[0].isdigit():
            return Value(text, self.ids(runs[0]) + ids, self._space)
        return Value(text, self.ids(" " + runs[0]) + ids)

    def joined(self, values: Sequence[Value]) -> Value:
        """`a, b, c` as one value, for keys and lists in facts and questions."""
        ids = [*values[0].lead, *values[0].ids]
        for value in values[1:]:
            ids += [*self._comma, *value.lead, *value.ids]
        return Value(", ".join(value.text for value in values), ids)

    def spaced(self, values: Sequence[Value]) -> Value:
        """`a b c` as one value: a list of words that is one answer."""
        return Value(" ".join(v.text for v in values), [i for v in values for i in (*v.lead, *v.ids)])

    def fact(self, template: str, fields: Mapping[str, Value]) -> Piece:
        """`template` with each {name} replaced. A field brings its own space before it: write `for{key}`."""
        ids: list[int] = []
        for fixed, field in self._parts(template):
            ids += fixed
            if field:
                ids += fields[field].lead
                ids += fields[field].ids
        return Piece(ids, [Role.FACT] * len(ids))

    def question(self, template: str, fields: Mapping[str, Value], answers: Sequence[Value]) -> Piece:
        """Like `fact`; {answers} stands for the answers, joined by commas."""
        ids: list[int] = []
        roles: list[int] = []
        for fixed, field in self._parts(template):
            ids += fixed
            if field == "answers":
                roles += [Role.QUESTION] * (len(ids) - len(roles))
                for value in answers:
                    lead = [*(self._comma if value is not answers[0] else ()), *value.lead]
                    ids += lead + value.ids
                    roles += [Role.QUESTION] * len(lead) + [Role.ANSWER] * len(value.ids)
            elif field:
                ids += fields[field].lead
                ids += fields[field].ids
        roles += [Role.QUESTION] * (len(ids) - len(roles))
        return Piece(ids, roles, tuple([value.text for value in answers]))

    def _parts(self, template: str) -> list[tuple[list[int], str]]:
        """Fixed tokens and the field after them, "" at the end."""
        found = self._templates.get(template)
        if found is None:
            cut = [*_FIELD.split(template), ""]
            pairs = zip(cut[::2], cut[1::2], strict=True)
            found = self._templates[template] = [(self.ids(fixed) if fixed else [], field) for fixed, field in pairs]
        return found
