"""What the families of tasks share: the tools they draw with, and a test before it is laid out."""

from __future__ import annotations

from typing import NamedTuple

from titans_core.tasks.compose import Composer, Piece
from titans_core.tasks.vocabulary import Vocabulary


class Kit(NamedTuple):
    """pairs: how many of the keys are adjective-noun pairs, 0 to 1; the others are single words."""

    composer: Composer
    vocabulary: Vocabulary
    pairs: float = 0.0


class Exam(NamedTuple):
    """told: what is asked for, in the order of the text; others: facts about other keys; question: with its answer."""

    told: tuple[Piece, ...]
    question: Piece
    others: tuple[Piece, ...] = ()
    intro: str = ""
