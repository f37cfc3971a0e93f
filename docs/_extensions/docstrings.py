"""Docstrings as this project writes them, plain text, to what Sphinx reads.

A line that begins with names of arguments or fields and a colon begins what is said of them; `names` stand in
backticks; errors are named as they are. Nothing else is markup.
"""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import re
from typing import Any

from sphinx.application import Sphinx

from titans_core import errors

ERRORS = {name for name, found in vars(errors).items() if isinstance(found, type) and issubclass(found, Exception)}
ABOUT = re.compile(r"(?P<names>\w+(?:\([\w, ]*\))?(?:, \w+)*)(?P<shape> \([^()]*\))?: (?P<said>.*)")
RAISES = re.compile(r"(?<=\. )(?=Raises )")
CODE = re.compile(r"`([^`]+)`")
MARKUP = re.compile(r"([*|\\]|(?<=\w)_(?!\w))")


def names_of(found: object) -> set[str]:
    """What a docstring of it may speak of: arguments of a function, fields of a class."""
    names = {field.name for field in dataclasses.fields(found)} if dataclasses.is_dataclass(found) else set()
    names |= set(getattr(found, "_fields", ()))
    with contextlib.suppress(TypeError, ValueError):  # what cannot be called, or is written in C
        names |= set(inspect.signature(found).parameters)  # type: ignore[arg-type]
    return names


def plain(text: str) -> str:
    """Text with code and errors marked, and everything else as it stands."""
    parts = CODE.split(text)
    for i in range(0, len(parts), 2):
        parts[i] = MARKUP.sub(r"\\\1", parts[i])
        for name in ERRORS:
            parts[i] = re.sub(rf"\b{name}\b", rf":py:exc:`~titans_core.errors.{name}`", parts[i])
        parts[i] = parts[i].replace("docs/math.md", ":doc:`The mathematics </math>`")
    parts[1::2] = [f"``{code}``" for code in parts[1::2]]
    return "".join(parts)


def paragraphs(text: str, names: set[str]) -> list[str]:
    """As reStructuredText: what is said of `names` as a list, the rest as paragraphs."""
    written: list[str] = []
    for part in text.split("\n\n"):
        listed = False
        for line in part.split("\n"):
            about = ABOUT.match(line)
            if about and {re.sub(r"\(.*", "", name) for name in about["names"].split(", ")} <= names:
                shape = f" {plain(about['shape'].strip())}" if about["shape"] else ""
                written += ["", f"- **{plain(about['names'])}**{shape}: {plain(about['said'])}"]
                listed = True
            elif line.startswith("Raises ") or not listed:
                written += ["", plain(line)] if line.startswith("Raises ") else [plain(line)]
                listed = False
            else:
                written.append(f"  {plain(line)}")
        written.append("")
    return written


def rewritten(app: Sphinx, what: str, name: str, found: object, options: Any, lines: list[str]) -> None:
    if what != "module":
        lines[:] = paragraphs("\n".join(lines).strip(), names_of(found))


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("autodoc-process-docstring", rewritten)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
