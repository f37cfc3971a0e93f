"""Headings of Markdown: lines that begin with up to six #, outside fenced code. The text stays as it is written."""

from __future__ import annotations

import re

_LINE = re.compile(r"^ {0,3}(?:(#{1,6})[ \t]+(.*)|(```+|~~~+).*)$", re.M)


def headings(text: str) -> list[tuple[int, int, str]]:
    """(character offset of the line, level, title) of every heading."""
    found: list[tuple[int, int, str]] = []
    fence = ""
    for line in _LINE.finditer(text):
        marks, title, ticks = line.groups()
        if ticks and not fence:
            fence = ticks
        elif ticks and ticks.startswith(fence):
            fence = ""
        elif marks and not fence:
            found.append((line.start(), len(marks), title.rstrip(" \t\r#")))
    return found
