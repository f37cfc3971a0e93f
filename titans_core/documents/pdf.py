"""PDF to text, page by page, with the outline as sections."""

from __future__ import annotations

import re
from typing import Any

from titans_core.documents.building import MOST_SECTIONS, Building
from titans_core.errors import DocumentError

MOST_PAGES = 10_000
_HYPHEN = re.compile("[\x02\ufffe]")  # how pdfium gives a hyphen at the end of a line
_PASSWORD, _SECURITY = 4, 5  # FPDF_ERR_*


def take(data: bytes) -> dict[str, Any]:
    """Fields of a Document. Raises DocumentError for a damaged or locked file and where there is no text."""
    import pypdfium2 as pdfium  # noqa: PLC0415 (an extra, and only in the child process)

    try:
        document = pdfium.PdfDocument(data)
        count = len(document)
    except pdfium.PdfiumError as error:
        if getattr(error, "err_code", 0) in (_PASSWORD, _SECURITY):
            raise DocumentError("the PDF has a password or other encryption; save a copy without") from error
        raise DocumentError("the PDF is damaged or cut short; save or copy it again") from error
    if not count:
        raise DocumentError("the PDF has no pages, or is damaged; save or copy it again")
    if count > MOST_PAGES:
        raise DocumentError(f"the PDF has {count:,} pages; up to {MOST_PAGES:,} are read. Split it")
    built = Building()
    _pages(document, built)
    if b"%%EOF" not in data[-1024:]:
        built.left_out.append("The file ends early: it may have been cut, and parts may be missing.")
    starts = built.pages
    for entry in _outline(document):
        page = entry.get_dest().get_index() if entry.get_dest() else None
        if page is not None and 0 <= page < len(starts):
            built.section(starts[page], entry.level + 1, entry.get_title())
    return built.done()


def _pages(document: Any, built: Building) -> None:
    import pypdfium2 as pdfium  # noqa: PLC0415

    empty, broken, images = [], [], 0
    for number in range(len(document)):
        built.pages.append(built.next)
        try:
            page = document[number]
            said = page.get_textpage().get_text_range(errors="ignore")
        except pdfium.PdfiumError:
            broken.append(number + 1)
            continue
        images += _images(page)
        text = _HYPHEN.sub("-", said.replace("\r\n", "\n")).strip("\n")
        if text.strip():
            built.block(text)
        else:
            empty.append(number + 1)
        page.close()
    built.count(len(broken), f"damaged page ({_numbers(broken)})", f"damaged pages ({_numbers(broken)})")
    if empty:
        s, have = ("", "has") if len(empty) == 1 else ("s", "have")
        built.left_out.append(f"{len(empty):,} page{s} {have} no text ({_numbers(empty)}): scanned or blank.")
    built.count(images, "image")
    # a page without text after the last block would begin beyond the text
    built.pages[:] = [min(start, built.length) for start in built.pages]


def _images(page: Any) -> int:
    from pypdfium2 import raw  # noqa: PLC0415

    kinds = (raw.FPDFPageObj_GetType(raw.FPDFPage_GetObject(page, k)) for k in range(raw.FPDFPage_CountObjects(page)))
    return sum(kind == raw.FPDF_PAGEOBJ_IMAGE for kind in kinds)


def _outline(document: Any) -> list[Any]:
    entries = []
    for entry in document.get_toc(max_depth=8):
        entries.append(entry)
        if len(entries) > MOST_SECTIONS:
            break
    return entries


def _numbers(pages: list[int]) -> str:
    """1, 2, 3 and 12 more."""
    shown = ", ".join(f"{page:,}" for page in pages[:8])
    return shown + (f" and {len(pages) - 8:,} more" if len(pages) > 8 else "")
