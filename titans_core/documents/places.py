"""The places of a document as they are kept with a trace of it: one attribute, which a foreign store may forge."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from titans_core.documents.anchors import MOST_PLACES, Document, Section
from titans_core.documents.names import shown_name, shown_title
from titans_core.errors import DocumentError

PLACES = "places"  # the attribute
VERSION = 1
_MOST_CHARACTERS = 12_000_000
_KINDS = ("text", "markdown", "html", "pdf", "docx", "files")
_DEEPEST = 99  # level of a heading


def packed(document: Document) -> str:
    """JSON of where pages, sections and files begin; "" for a plain text, whose paragraphs its text tells.

    Raises DocumentError where `unpacked` would not take it.
    """
    if document.kind == "text":
        return ""
    known = {
        "version": VERSION,
        "kind": document.kind,
        "name": document.name,
        "pages": document.pages,
        "sections": document.sections,
        "files": document.files,
    }
    said = json.dumps(
        {name: value for name, value in known.items() if value}, ensure_ascii=False, separators=(",", ":")
    )
    unpacked(said, document.text)
    return said


def of_trace(attributes: Mapping[Any, Any]) -> Document | None:
    """The text of a trace with its places; None where none were kept. Raises DocumentError for unusable ones."""
    return unpacked(attributes[PLACES], attributes["text"]) if PLACES in attributes else None


def unpacked(said: object, text: str) -> Document:
    """The document that `packed` wrote, around its `text`. Raises DocumentError for what it would not have written."""
    if not isinstance(said, str) or len(said) > _MOST_CHARACTERS:
        raise DocumentError(f"its places are no JSON of up to {_MOST_CHARACTERS:,} characters")
    try:
        known = json.loads(said)
    except (ValueError, RecursionError) as error:
        raise DocumentError("its places are no valid JSON") from error
    if not isinstance(known, dict) or known.get("version") != VERSION:
        version = str(known.get("version"))[:20] if isinstance(known, dict) else "none"
        raise DocumentError(f"its places have version {version}; this version of Titanscope reads {VERSION}")
    kind, name = known.get("kind"), known.get("name", "")
    if kind not in _KINDS or not isinstance(name, str):
        raise DocumentError(f"its places are of {str(kind)[:20]!r}, which is none of {', '.join(_KINDS)}")
    pages, sections, files = (_listed(known, what) for what in ("pages", "sections", "files"))
    if not all(_is(section, int, int, str) and 1 <= section[1] <= _DEEPEST for section in sections):
        raise DocumentError(f"its sections are not each a start, a level of 1 to {_DEEPEST} and a title")
    if not all(_is(file, int, str) for file in files):
        raise DocumentError("its files are not each a start and a name")
    for what, starts in (("pages", pages), ("sections", [s[0] for s in sections]), ("files", [f[0] for f in files])):
        _check(what, starts, len(text))
    return Document(
        shown_name(name),
        kind,
        text,
        pages=tuple(pages),
        sections=tuple(Section(start, level, shown_title(title)) for start, level, title in sections),
        files=tuple((start, shown_name(called)) for start, called in files),
    )


def _listed(known: dict[str, Any], what: str) -> list[Any]:
    values = known.get(what, [])
    if not isinstance(values, list) or len(values) > MOST_PLACES:
        raise DocumentError(f"its {what} are no list of up to {MOST_PLACES:,}")
    return values


def _is(value: object, *kinds: type) -> bool:
    return isinstance(value, list) and [type(part) for part in value] == list(kinds)


def _check(what: str, starts: list[Any], length: int) -> None:
    """Raises DocumentError unless these are offsets in a text of `length` characters, in its order."""
    before = 0
    for number, start in enumerate(starts, 1):
        if type(start) is not int or not before <= start <= length:
            raise DocumentError(
                f"number {number:,} of its {what} begins at {str(start)[:20]}, not at {before:,} to {length:,}"
            )
        before = start
