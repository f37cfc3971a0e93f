"""A text that was taken out of a file, and where in the file each part of it stood."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

_BLANK_LINE = re.compile(r"\n[^\S\n]*\n\s*")


@dataclass(frozen=True)
class Section:
    """A heading. start: character offset in the text; level: 1 is the highest."""

    start: int
    level: int
    title: str


@dataclass(frozen=True)
class Document:
    """What was read of a file. All offsets count the characters of `text`.

    name: as a person may see it, never a path. kind: text, markdown, html, pdf or docx. encoding: how text and html
    were decoded, else empty. pages: where each page begins (pdf). left_out: what of the file is not in the text and
    what was guessed, as sentences.
    """

    name: str
    kind: str
    text: str
    encoding: str = ""
    pages: tuple[int, ...] = ()
    sections: tuple[Section, ...] = ()
    left_out: tuple[str, ...] = ()

    @cached_property
    def paragraphs(self) -> array[int]:
        """Where each paragraph begins: a paragraph is what stands between blank lines."""
        first = len(self.text) - len(self.text.lstrip())
        starts = (m.end() for m in _BLANK_LINE.finditer(self.text, first) if m.end() < len(self.text))
        return array("I", chain([first], starts) if first < len(self.text) else [])

    def place(self, offset: int) -> str:
        """Where a character stood: "page 3, Methods, paragraph 12", as far as it is known. Counts from 1."""
        parts = []
        if page := bisect_right(self.pages, offset):
            parts.append(f"page {page:,}")
        if section := bisect_right(self.sections, offset, key=lambda s: s.start):
            parts.append(self.sections[section - 1].title)
        if paragraph := bisect_right(self.paragraphs, offset):
            parts.append(f"paragraph {paragraph:,}")
        return ", ".join(parts)

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
