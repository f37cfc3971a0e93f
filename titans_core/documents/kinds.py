"""What kind of file some bytes are: told by the bytes. The name only tells Markdown from plain text."""

from __future__ import annotations

import re

from titans_core.errors import DocumentError

TAKEN = "txt, md, html, pdf and docx files are read"
_SIGNATURES = (
    (b"\xd0\xcf\x11\xe0", "an old Office file or a docx with a password; save it as docx without a password"),
    (b"{\\rtf", "an RTF file; save it as docx or txt"),
    (b"\x89PNG", "a PNG image; text in images is not read"),
    (b"\xff\xd8\xff", "a JPEG image; text in images is not read"),
    (b"GIF89a", "a GIF image; text in images is not read"),
    (b"MZ", "a Windows program"),
    (b"\x7fELF", "a Linux program"),
    (b"\x1f\x8b", "a gzip archive; unpack it first"),
    (b"BZh91AY", "a bzip2 archive; unpack it first"),
    (b"\xfd7zXZ", "an xz archive; unpack it first"),
    (b"7z\xbc\xaf", "a 7z archive; unpack it first"),
    (b"Rar!\x1a", "a RAR archive; unpack it first"),
    (b"SQLite format 3", "an SQLite database"),
)
_PDF = re.compile(rb"^%PDF-\d", re.M)  # some begin with a few other lines
_HTML = re.compile(rb"\s*(?>(?:<\?xml[^>]*>|<!--.*?-->)\s*)*+<(?:!doctype\s+html|html|head|body)[\s>]", re.I | re.S)
_BLOCK = re.compile(
    rb"\s*<(?:!--|p|div|h[1-6]|ul|ol|table|article|section|main|title|meta|script|style|span|a)\b", re.I
)
_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")


def kind_of(data: bytes, name: str) -> str:
    """text, markdown, html, pdf or docx; raises DocumentError for what is none of them, saying what it is.

    Any zip is called docx: what is in it is told where it is opened, in the child process.
    """
    if not data:
        raise DocumentError("the file is empty; choose one with text in it")
    if data.startswith(_ZIP):
        return "docx"
    if (begin := _PDF.search(data[:1024])) and (not begin.start() or b"endobj" in data):
        return "pdf"
    for signature, what in _SIGNATURES:
        if data.startswith(signature) and (len(signature) > 2 or b"\0" in data[:512]):
            raise DocumentError(f"this is {what}. {TAKEN}")
    suffix = name.rpartition(".")[2].lower()
    start = _as_ascii(data[:4096])
    if _HTML.match(start) or (suffix in ("html", "htm", "xhtml") and _BLOCK.match(start)):
        return "html"
    return "markdown" if suffix in ("md", "markdown") else "text"


def _as_ascii(start: bytes) -> bytes:
    """Without byte order mark and without the zero bytes of UTF-16, so that tags can be seen."""
    for mark in (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"):
        start = start.removeprefix(mark)
    return start.replace(b"\0", b"")
