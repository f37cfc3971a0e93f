"""A fact put into a document, or found in it, with what asks for it; and the document again without the fact."""

from __future__ import annotations

import contextlib
import functools
import re
from dataclasses import replace

from app.jobs import Subject
from titans_core.documents import Document, Section
from titans_core.errors import TextError, TitansError
from titans_core.probes import places
from titans_core.probes.places import Place
from titans_core.probes.questions import cue_of

# The words in which the shipped memories learnt to be told and asked (titans_core.tasks.needles, after RULER).
SENTENCE = "One of the special magic numbers for harbour is: 7304416."
_LEARNT = re.compile(r"One of the special magic (\w+)s for (.+) is: (.+)\.")
_ASKED = (
    "What is the special magic {0} for {1} mentioned in the provided text? "
    "The special magic {0} for {1} mentioned in the provided text is"
)
_VALUE = re.compile(r"\d(?:[\d.,:]*\d)?")
_LAST_WORD = re.compile(r"([^\s.!?…。！？\"'”’)\]]+)[.!?…。！？\"'”’)\]]*\s*$")

planted = functools.lru_cache(maxsize=4)(places.plant)  # a long document takes a moment, with every click


def answer_of(fact: str) -> str:
    """What a fact is most likely asked for: the last number in it, else its last word; "" of an empty one."""
    learnt = _LEARNT.fullmatch(fact.strip())
    if learnt:
        return learnt[3]
    values = _VALUE.findall(fact)
    word = _LAST_WORD.search(fact)
    return str(values[-1]) if values else word[1].lstrip("“\"'‘«([") if word else ""


def cue(fact: str, answer: str) -> str:
    """What is read before the answer is looked for: the question that was learnt, else the fact up to the answer.

    "" where the answer is no part of the fact, or all of it.
    """
    learnt = _LEARNT.fullmatch(fact.strip())
    if learnt and learnt[3] == answer.strip():
        return _ASKED.format(learnt[1], learnt[2])
    try:
        return cue_of(fact, answer).strip()
    except TextError:
        return ""


def subject(document: Document, place: Place, cue: str, answer: str, depth: float | None) -> Subject:
    """What is asked about. place: of the fact, in the text with it. depth: where it was planted; None where found."""
    grown = len(place.text) - len(document.text)
    whole = document.text[: place.start] == place.text[: place.start]
    at = place.start if whole else place.start - 1  # a space was put before it

    def moved(offset: int) -> int:
        return offset + grown if offset >= max(at, 1) else offset  # what begins there, begins after the fact

    return Subject(
        document.name,
        *place,
        cue,
        answer,
        depth is not None,
        tuple(map(moved, document.pages)),
        tuple((moved(start), level, title) for start, level, title in document.sections),
        depth or 0.0,
        tuple((moved(start), name) for start, name in document.files),
    )


@functools.lru_cache(maxsize=4)  # as `planted`
def document(subject: Subject) -> Document | None:
    """The document as it was before its fact was planted; None where that cannot be told."""
    found = Document(
        subject.title,
        "files" if subject.files else "text",
        subject.text,
        pages=subject.pages,
        sections=tuple(Section(*section) for section in subject.sections),
        files=subject.files,
    )
    if not subject.planted:
        return found
    text, start, end = subject.text, subject.start, subject.end
    for before, after in ((0, 1), (1, 0), (1, 1), (0, 0)):
        spaces = text[start - before : start] + text[end : end + after] if start >= before else "none"
        if spaces.strip(" ") or len(spaces) != before + after:
            continue
        without = text[: start - before] + text[end + after :]
        with contextlib.suppress(TitansError):  # of one that was damaged
            if places.plant(without, subject.fact, subject.depth) != Place(text, start, end):
                continue
            return _moved_back(replace(found, text=without), start - before, len(text) - len(without))
    return None


def _moved_back(found: Document, at: int, shrunk: int) -> Document:
    def moved(offset: int) -> int:
        return offset - shrunk if offset >= at + shrunk else offset

    return replace(
        found,
        pages=tuple(map(moved, found.pages)),
        sections=tuple(Section(moved(start), level, title) for start, level, title in found.sections),
        files=tuple((moved(start), name) for start, name in found.files),
    )
