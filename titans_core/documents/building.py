"""A text put together block by block, with its places."""

from __future__ import annotations

import re
from typing import Any

from titans_core.documents.names import shown_title
from titans_core.errors import DocumentError

MOST_SECTIONS = 10_000
_SURROGATE = re.compile("[\ud800-\udfff]")
BETWEEN = "\n\n"


class Building:
    """Blocks of text, divided by a blank line."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self.length = 0
        self.pages: list[int] = []
        self.sections: list[tuple[int, int, str]] = []
        self.left_out: list[str] = []

    @property
    def next(self) -> int:
        """Where the next block will begin."""
        return self.length + len(BETWEEN) * bool(self._parts)

    def block(self, text: str, level: int = 0) -> None:
        """Add a block; level: that of a heading, 0 for other text."""
        if level:
            self.section(self.next, level, text)
        if self._parts:
            self._parts.append(BETWEEN)
        self._parts.append(_SURROGATE.sub("\ufffd", text))
        self.length = self.length + len(text) + len(BETWEEN) * (len(self._parts) > 1)

    def section(self, start: int, level: int, title: str) -> None:
        self.sections.append((start, level, shown_title(title)))

    def count(self, number: int, one: str, many: str = "") -> None:
        """Say that so many things of the file are not in the text; nothing where there are none."""
        if number:
            self.left_out.append(f"{number:,} {one if number == 1 else many or one + 's'} not read.")

    def done(self) -> dict[str, Any]:
        """Fields of a Document. Raises DocumentError where there is no text."""
        text = "".join(self._parts)
        if not text.strip():
            raise DocumentError("no text was found in it" + (f" ({' '.join(self.left_out)})" * bool(self.left_out)))
        sections = sorted(self.sections, key=lambda s: s[0])
        if len(sections) > MOST_SECTIONS:
            kept = MOST_SECTIONS - 1
            self.left_out.append(f"Places are kept for the first {kept:,} of {len(sections):,} headings.")
            sections[kept:] = [(sections[kept][0], 1, "")]  # from there on it is not known
        return {"text": text, "pages": self.pages, "sections": sections, "left_out": self.left_out}
