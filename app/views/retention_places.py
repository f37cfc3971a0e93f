"""The places of a document as a retention map names them: pages, sections, and what stands in each row."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

import numpy as np

from app.exports.svg import ticks
from app.figures.retention import Answer, Where
from app.jobs.subjects import Subject

SNIPPET = 44  # characters of a row's beginning that are told, and of a line
PAGES = 5  # named along an axis at most
APART = 0.08  # of the document, between two sections that are named


def where(answer: Answer, subject: Subject) -> Where:
    """Words for rows and columns of the map of this subject's document."""
    fact = answer["fact"]
    return Where(
        rows=tuple(_row(answer, subject, row) for row in range(len(answer["rows"]) - 1)),
        times=tuple(_time(answer, subject, column) for column in range(len(answer["times"]))),
        ticks=tuple(_ticks(answer, subject)),
        sections=tuple(_sections(answer, subject)),
        fact=None if fact is None else (fact[0], fact[1]),
    )


def _row(answer: Answer, subject: Subject, row: int) -> str:
    """tokens 1,201 to 1,366 / page 12, Methods, paragraph 3 / “The keeper walked along …”"""
    first, last = answer["rows"][row] + 1, answer["rows"][row + 1]
    start = answer["row_characters"][row]
    span = f"token {first:,}" if first == last else f"tokens {first:,} to {last:,}"
    text = subject.text[start : answer["row_characters"][row + 1]]
    place = _place(subject, start + len(text) - len(text.lstrip()))  # a token may hold the blank line before its words
    return "\n".join(filter(None, (f"written: {span}", place, f"“{_one_line(text)[:SNIPPET]}…”")))


def _time(answer: Answer, subject: Subject, column: int) -> str:
    place = _place(subject, max(0, answer["time_characters"][column] - 1))
    return "\n".join(filter(None, (f"after token {answer['times'][column]:,}", place)))


def _place(subject: Subject, character: int) -> str:
    """In two lines at most."""
    return "\n".join(textwrap.wrap(_one_line(subject.place(character)), SNIPPET, max_lines=2, placeholder="…"))


def _ticks(answer: Answer, subject: Subject) -> Iterator[tuple[float, str]]:
    """Pages, where the document is one file that has them; else tokens."""
    total = answer["rows"][-1]
    if len(subject.pages) > 1 and not subject.files:
        step = next(n for n in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 10**9) if len(subject.pages) <= n * PAGES)
        for page in range(step, len(subject.pages) + 1, step):
            yield _token(answer, subject.pages[page - 1]), f"p. {page:,}"
    else:
        yield from ((token, f"{token:,.0f}") for token in ticks(0, total) if token)


def _sections(answer: Answer, subject: Subject) -> Iterator[tuple[float, str]]:
    """Files and the highest headings first, as many as find room; in the order of the document."""
    apart = APART * answer["rows"][-1]
    kept: dict[float, str] = {}
    files = [(start, 0, name) for start, name in subject.files]
    for start, _, title in sorted([*files, *subject.sections], key=lambda section: section[1]):
        token = _token(answer, start)
        if title.strip() and all(abs(token - other) >= apart for other in kept):
            kept[token] = _one_line(title)
    yield from sorted(kept.items())


def _token(answer: Answer, character: int) -> float:
    """The token that a character falls into, as near as the rows tell."""
    return float(np.interp(character, answer["row_characters"], answer["rows"]))


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
