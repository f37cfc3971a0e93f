"""Docstrings as this project writes them, plain text, to what Sphinx reads.

A sentence that begins with names of arguments or fields and a colon begins what is said of them; `names` stand in
backticks; errors are named as they are. Nothing else is markup.
"""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import itertools
import re
from typing import Any

from sphinx.application import Sphinx

from titans_core import errors

ERRORS = {name for name, found in vars(errors).items() if isinstance(found, type) and issubclass(found, Exception)}
ABOUT = re.compile(r"(?P<names>\w+(?:\([\w, ]*\))?(?:, \w+)*)(?P<shape> \([^()]*\))?: (?P<said>.*)")
BEGINS = re.compile(r"(?:^|(?<=[.;] ))(?=[a-zA-Z])")
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


def about(text: str, names: set[str]) -> re.Match[str] | None:
    """Whether it begins with some of `names` and a colon."""
    found = ABOUT.match(text)
    return found if found and {re.sub(r"\(.*", "", name) for name in found["names"].split(", ")} <= names else None


def paragraphs(text: str, names: set[str]) -> list[str]:
    """As reStructuredText: what is said of `names` as a list, the rest as paragraphs."""
    written: list[str] = []
    for part in text.split("\n\n"):
        whole = " ".join(part.split())
        starts = [found.start() for found in BEGINS.finditer(whole)]
        starts = [at for at in starts if about(whole[at:], names) or whole.startswith("Raises ", at)]
        for begin, end in itertools.pairwise([*sorted({0, *starts}), len(whole)]):
            said = re.sub(r";$", ".", whole[begin:end].strip())
            found = about(said, names)
            shape = f" {plain(found['shape'].strip())}" if found and found["shape"] else ""
            written.append(f"- **{plain(found['names'])}**{shape}: {plain(found['said'])}" if found else plain(said))
            written += ["", ""]
    return written


def fields_of(found: object) -> str:
    """What a result holds, with types as they are written in the code; "" of what is made by naming its fields."""
    if not isinstance(found, type) or not (dataclasses.is_dataclass(found) or hasattr(found, "_fields")):
        return ""
    if dataclasses.is_dataclass(found) and any(field.kw_only for field in dataclasses.fields(found)):
        return ""
    written = inspect.get_annotations(found)
    return ", ".join(f"``{name}: {getattr(kind, '__name__', kind)}``" for name, kind in written.items())


def rewritten(app: Sphinx, what: str, name: str, found: object, options: Any, lines: list[str]) -> None:
    if what != "module":
        lines[:] = paragraphs("\n".join(lines).strip(), names_of(found))
    if what == "class" and (fields := fields_of(found)):
        lines += ["", f"Fields: {fields}.", ""]


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("autodoc-process-docstring", rewritten)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
