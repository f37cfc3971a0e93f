"""docx to text: the paragraphs of the document part, read as a stream, so that its size is not multiplied in memory."""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

from titans_core.documents.building import Building
from titans_core.documents.kinds import TAKEN
from titans_core.errors import DocumentError

_MOST_PART = 64_000_000  # bytes of one part, unpacked
_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_STRICT = "{http://purl.oclc.org/ooxml/wordprocessingml/main}"  # of files saved as "strict"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_HEADING = re.compile(r"heading ([1-9])", re.I)
_BREAKS = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "\u2011"}
_ADVICE = re.compile(r",? *(?:(?:use|try) XML_PARSE_HUGE(?: option)?|see xml\w+\.)")  # to the parser's caller
_MOST_ENTRIES = 2_000
_OTHERS = {"xl/": "a spreadsheet", "ppt/": "a presentation", "content.xml": "an OpenDocument file"}
_UNREAD = {
    "footnotes": "part with footnotes",
    "endnotes": "part with endnotes",
    "comments": "part with comments",
    "header": "page header",
    "footer": "page footer",
}


def take(data: bytes) -> dict[str, Any]:
    """Fields of a Document. Raises DocumentError for a damaged or dangerous file and where there is no text."""
    from lxml import etree  # noqa: PLC0415 (an extra, and only in the child process)

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            part = _document_part(archive)
            levels = _heading_levels(archive, posixpath.dirname(part) + "/styles.xml")
            built = Building()
            _paragraphs(_events(archive, part), levels, built)
            _say_unread(archive, built)
            return built.done()
    except etree.XMLSyntaxError as error:
        said = " ".join(_ADVICE.sub("", str(error.msg)).split())
        raise DocumentError(
            f"its text is no valid XML ({said}); open it in a word processor and save it again"
        ) from error
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError, KeyError, ValueError) as error:
        if isinstance(error, DocumentError):
            raise
        raise DocumentError(
            "this docx or other zip file is damaged, cut short or has a password; save or copy it again"
        ) from error


def _document_part(archive: zipfile.ZipFile) -> str:
    """The name of the part with the text, in some files word/document2.xml. Raises DocumentError for no docx."""
    names = archive.namelist()
    if len(names) > _MOST_ENTRIES:
        raise DocumentError(f"this zip file has {len(names):,} entries, and no docx has more than {_MOST_ENTRIES:,}")
    if part := next((name for name in names if re.fullmatch(r"word/document\d*\.xml", name)), ""):
        return part
    what = next((what for start, what in _OTHERS.items() if any(n.startswith(start) for n in names)), "")
    if what:
        raise DocumentError(f"this is {what}; save its text as docx, pdf or txt. {TAKEN}")
    raise DocumentError(f"this is a zip archive without a Word document; unpack it first. {TAKEN}")


def _events(archive: zipfile.ZipFile, part: str) -> Iterator[tuple[str, Any]]:
    """Start and end of every element; what ended is dropped. Entities are never expanded, and a DTD is refused."""
    from lxml import etree  # noqa: PLC0415

    entry = archive.getinfo(part)
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise zipfile.BadZipFile("no docx is packed so")
    size = entry.file_size
    if size > _MOST_PART:
        raise DocumentError(
            f"{part} would unpack to {size / 1e6:,.0f} MB; up to {_MOST_PART / 1e6:.0f} MB are read. Split the document"
        )
    first = True
    with archive.open(part) as file:
        options = {"resolve_entities": False, "no_network": True, "load_dtd": False, "huge_tree": False}
        for event, element in etree.iterparse(file, events=("start", "end"), **options):
            if first and element.getroottree().docinfo.doctype:
                raise DocumentError("it declares a document type (DTD), which no docx needs and attacks use")
            first = False
            yield event, element
            if event == "end":
                element.clear()
                parent = element.getparent()
                while parent is not None and element.getprevious() is not None:  # before a root there may be comments
                    del parent[0]


def _heading_levels(archive: zipfile.ZipFile, part: str) -> dict[str, int]:
    """Style id -> level. Names are English in every language ("heading 1"); ids are not."""
    levels: dict[str, int] = {}
    if part not in archive.namelist():
        return levels
    style = ""
    for event, element in _events(archive, part):
        if event == "start" and _name(element) == "style":
            style = _value(element, "styleId")
        elif event == "start" and _name(element) == "name" and (m := _HEADING.fullmatch(_value(element, "val"))):
            levels[style] = int(m[1])
    return levels


def _paragraphs(events: Iterator[tuple[str, Any]], levels: dict[str, int], built: Building) -> None:
    said: list[str] = []
    level = skipped = images = deleted = 0

    def flush() -> None:
        text = "".join(said).strip("\n")
        said.clear()
        if text.strip():
            built.block(text, level)

    for event, element in events:
        name = _name(element)
        if element.tag == _FALLBACK:  # the same content again, for older programs
            skipped += 1 if event == "start" else -1
        elif skipped:
            continue
        elif name == "p":
            flush()
            level = 0
        elif event == "start":
            if name == "pStyle":
                level = levels.get(_value(element, "val"), 0)
            elif name in _BREAKS and not _in_properties(element):
                said.append(_BREAKS[name])
            images += name in ("drawing", "pict", "object")
        elif name == "t":
            said.append(element.text or "")
        deleted += event == "end" and name == "delText"
    built.count(images, "image or drawing", "images or drawings")
    built.count(deleted, "deleted passage (tracked change)", "deleted passages (tracked changes)")


def _say_unread(archive: zipfile.ZipFile, built: Building) -> None:
    names = [posixpath.basename(name) for name in archive.namelist() if name.startswith("word/")]
    for start, what in _UNREAD.items():
        built.count(sum(bool(re.fullmatch(rf"{start}\d*\.xml", name)) for name in names), what)


def _in_properties(element: Any) -> bool:
    """A w:tab inside w:tabs is a tab stop, not a tab."""
    return _name(element.getparent()) == "tabs"


def _name(element: Any) -> str:
    tag = element.tag
    if not isinstance(tag, str):
        return ""
    return tag.removeprefix(_W).removeprefix(_STRICT)


def _value(element: Any, name: str) -> str:
    return element.get(_W + name) or element.get(_STRICT + name) or ""
