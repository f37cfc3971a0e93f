"""A text of a needle grid once more, as a person reads it, and where in it the needle and the answer stand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.jobs.subjects import Subject
from app.probing.grid import document
from titans_core.probes import spots
from titans_core.tasks import Role
from titans_core.tokenizer import Tokenizer


@dataclass(frozen=True)
class NeedleText:
    """tokens: how many it has; answer: the first of the answer, at its end; needle: from..to, `to` not among them."""

    text: str
    tokens: int
    answer: int
    needle: tuple[int, int]


def needle_text(
    tokenizer: Tokenizer, subject: Subject, haystack: str, seed: int, spot: spots.Spot, i: int
) -> NeedleText:
    """Text number i, from 0, of a cell of a grid in this haystack. Raises TitansError as the grid itself does."""
    source = spots.haystack(tokenizer, document(subject, {"haystack": haystack}))
    episode = spots.text(source, spot, i, seed)
    text = tokenizer.decode(episode.ids)
    encoding = tokenizer.encode(text)

    def token(place: int) -> int:
        """Which token of the text now holds the first character of the one at `place` of the episode."""
        character = len(tokenizer.decode(episode.ids[:place]))
        return int(np.searchsorted(encoding.end, character, side="right"))

    fact = np.flatnonzero(episode.role == Role.FACT)
    answer = int(np.flatnonzero(episode.role == Role.ANSWER)[0])
    return NeedleText(text, len(encoding), token(answer), (token(int(fact[0])), token(int(fact[-1]) + 1)))
