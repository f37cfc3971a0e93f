"""What every task gives: the tokens of a text, and for each token what it is there for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np


class Role(IntEnum):
    """What a token is part of. ANSWER tokens, and no others, are what the model must produce."""

    TEXT = 0
    FACT = 1
    QUESTION = 2
    ANSWER = 3


@dataclass(frozen=True, eq=False)
class Episode:
    """One generated text of T tokens.

    ids: int32 (T,); role: uint8 (T,), the Role of each token. Every run of ANSWER tokens is one span, and
    `answers` are the texts of the spans in order, without the space that a span may start with.
    """

    task: str
    ids: np.ndarray
    role: np.ndarray
    answers: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)

    def spans(self) -> list[tuple[int, int]]:
        """First token and the one after the last of each answer, in order."""
        marks = np.concatenate([[False], self.role == Role.ANSWER, [False]])
        edges = np.flatnonzero(marks[1:] != marks[:-1])
        return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]
