"""A text that was taken out of a file, and where in the file each part of it stood."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import NamedTuple

import numpy as np

MOST_PLACES = 20_000  # pages, sections and files, of each, that are kept of one text
_MOST_TITLE = 60  # characters of a heading that a place shows
_BLANK_LINE = re.compile(r"\n[^\S\n]*\n\s*")


class Section(NamedTuple):
    """A heading. start: character offset in the text; level: 1 is the highest."""

    start: int
    level: int
    title: str


@dataclass(frozen=True)
class Document:
    """What was read of a file, or of several as one text. All offsets count the characters of `text`.

    name: as a person may see it, never a path. kind: text, markdown, html, pdf or docx; "files" for several. encoding:
    how text and html were decoded, else empty. pages: where each page begins (pdf). left_out: what of the file is not
    in the text and what was guessed, as sentences. files: of several, (where it begins, its name) of each.
    """

    name: str
    kind: str
    text: str
    encoding: str = ""
    pages: tuple[int, ...] = ()
    sections: tuple[Section, ...] = ()
    left_out: tuple[str, ...] = ()
    files: tuple[tuple[int, str], ...] = ()

    @cached_property
    def paragraphs(self) -> array[int]:
        """Where each paragraph begins: a paragraph is what stands between blank lines."""
        first = len(self.text) - len(self.text.lstrip())
        starts = (m.end() for m in _BLANK_LINE.finditer(self.text, first) if m.end() < len(self.text))
        return array("I", chain([first], starts) if first < len(self.text) else [])

    def place(self, offset: int) -> str:
        """Where a character stood: "page 3, Methods, paragraph 12", as far as it is known. Counts from 1.

        Of several files it says which ("minutes.docx, Methods, paragraph 3") and counts in that one.
        """
        parts = []
        begin = 0
        if file := bisect_right(self.files, offset, key=lambda f: f[0]):
            begin, name = self.files[file - 1]
            parts.append(name)
        if page := bisect_right(self.pages, offset) - bisect_left(self.pages, begin):
            parts.append(f"page {page:,}")
        section = bisect_right(self.sections, offset, key=lambda s: s.start)
        if section and self.sections[section - 1].start >= begin and (title := self.sections[section - 1].title):
            parts.append(title if len(title) <= _MOST_TITLE else title[: _MOST_TITLE - 1].rstrip() + "…")
        if paragraph := bisect_right(self.paragraphs, offset) - bisect_left(self.paragraphs, begin):
            parts.append(f"paragraph {paragraph:,}")
        return ", ".join(parts)

    def places(self, start: np.ndarray, end: np.ndarray) -> list[str]:
        """`place` of each token; start, end (T,) are its characters in the text.

        Its last character tells: a token may begin with the blank line before its paragraph.
        """
        offsets = np.maximum(start, end - 1)
        edges, which = np.unique(np.searchsorted(self._edges, offsets, side="right"), return_inverse=True)
        said = [self.place(int(self._edges[edge - 1]) if edge else 0) for edge in edges]
        return [said[k] for k in which]

    @cached_property
    def _edges(self) -> np.ndarray:
        """Every offset where a page, section, file or paragraph begins, ascending."""
        others = chain(self.pages, (s.start for s in self.sections), (start for start, _ in self.files))
        return np.unique(np.concatenate([np.asarray(self.paragraphs, np.int64), np.fromiter(others, np.int64)]))

    def summary(self) -> str:
        """What was taken out, counted: "pdf: 3 pages, 2 sections, 12 paragraphs, 4,096 characters"."""
        counts = {
            "page": len(self.pages),
            "section": len(self.sections),
            "paragraph": len(self.paragraphs),
            "character": len(self.text),
        }
        said = [f"{n:,} {what}{'s' * (n != 1)}" for what, n in counts.items() if n or what == "character"]
        return f"{self.kind}{f' in {self.encoding}' * bool(self.encoding)}: {', '.join(said)}"
