"""Documents that probes ask about, and the texts that a needle grid lays out of them."""

from __future__ import annotations

import functools
import sys

from app import runs
from app.jobs import Subject
from app.kept import Kept
from app.probing import needle_text as needle_texts
from app.runs import texts
from titans_core.errors import StoreError
from titans_core.probes.spots import Spot


def _subject(name: str) -> Subject:
    found = runs.engine().subject(name)
    if found is None:
        raise KeyError(name)
    return found


_subjects = Kept(100_000_000, _subject, lambda found: 1_000 + sys.getsizeof(found.text))


def subject(name: str) -> Subject | None:
    """What the address /recall?subject=NAME is about; None where it is unknown, expired or damaged."""
    try:
        return _subjects(name)
    except KeyError:
        return None


@functools.lru_cache(maxsize=4)  # what the page lays out with every redraw until another is chosen
def needle_text(
    name: str, task: str, haystack: str, seed: int, length: int, depth: float, i: int
) -> needle_texts.NeedleText:
    """Text number i of a cell of a needle grid about the subject `name`. Raises TitansError where there is none."""
    found = subject(name)
    if found is None:
        raise StoreError("the document is not stored here any more; choose it and probe it again")
    return needle_texts.needle_text(texts.tokenizer(), found, haystack, seed, Spot(task, length, depth), i)
