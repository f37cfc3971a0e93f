"""The sentences of the pages, as Markdown files next to this one."""

from __future__ import annotations

import functools
from pathlib import Path


@functools.cache
def words(name: str) -> str:
    """The text of words/<name>.md."""
    return (Path(__file__).parent / f"{name}.md").read_text(encoding="utf-8").strip()
