"""Words of a cue that a document does not have: a fact about the text, whatever a memory says. No torch here."""

from __future__ import annotations

import functools
import re

from app.jobs.subjects import Subject
from app.words import words

ENDING = 3  # letters by which two forms of a word may differ: violin, violins; walk, walking
_WORD = re.compile(r"[^\W\d_]{4,}")
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")
# What a question is put in, rather than about: function words, and the words of the wordings of titans_core.tasks.
_PHRASING = frozenset(words("ask_phrasing").split())


def lacking(cue: str, subject: Subject) -> list[str]:
    """Words of four letters and more that stand nowhere in the document, in no form of theirs, in the cue's order.

    None of the subject's own cue, whose fact stands there however it is asked for. None of scripts without spaces.
    """
    if subject.fact and cue.strip() == subject.cue.strip():
        return []
    asked = {word.casefold(): word for word in reversed(_WORD.findall(cue)) if not _UNSPACED.search(word)}
    known, longer = _known(subject.text)
    about = {key: word for key, word in asked.items() if key not in _PHRASING}
    return [word for key, word in about.items() if key not in longer and not _less(key) & known][::-1]


@functools.lru_cache(maxsize=4)
def _known(text: str) -> tuple[frozenset[str], frozenset[str]]:
    """The words of the text, and all that one of them begins with, less its last letters."""
    known = frozenset(_WORD.findall(text.casefold()))
    return known, frozenset(form for word in known for form in _less(word))


def _less(word: str) -> frozenset[str]:
    """The word, and the same with one to three letters less, of which four are left."""
    return frozenset(word[:end] for end in range(max(4, len(word) - ENDING), len(word) + 1))
