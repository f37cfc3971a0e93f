"""Small PDF and docx files made by hand, good and bad, for tests and benchmarks."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Sequence

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
HEADING = f'<w:styles {W}><w:style w:styleId="berschrift1"><w:name w:val="heading 1"/></w:style></w:styles>'
BOMBS = ("flate", "laughs", "docx", "nested", "operators")


def stream(data: bytes, extra: str = "", *, packed: bool = False) -> bytes:
    body = zlib.compress(data, 9) if packed else data
    flate = "/Filter/FlateDecode" if packed else ""
    return f"<</Length {len(body)}{flate}{extra}>>stream\n".encode() + body + b"\nendstream"


def assemble(objects: Sequence[bytes], trailer: str = "") -> bytes:
    """A PDF of these objects, numbered from 1; the first is the catalog."""
    out, offsets = bytearray(b"%PDF-1.7\n"), []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n".encode() + body + b"\nendobj\n"
    at, size = len(out), len(objects) + 1
    out += f"xref\n0 {size}\n0000000000 65535 f \n".encode() + b"".join(b"%010d 00000 n \n" % o for o in offsets)
    return bytes(out + f"trailer<</Size {size}/Root 1 0 R{trailer}>>\nstartxref\n{at}\n%%EOF\n".encode())


def drawn(text: str) -> bytes:
    """The operators that write these lines on a page."""
    lines = [line.translate({92: "\\\\", 40: "\\(", 41: "\\)"}) for line in text.split("\n")]
    shown = "".join(f"({line}) Tj T*\n" for line in lines)
    return f"BT /F1 10 Tf 12 TL 50 780 Td\n{shown}ET".encode("cp1252", "replace")


def pdf(pages: Sequence[str | bytes], outline: str = "", trailer: str = "", *, packed: bool = False) -> bytes:
    """pages: a text each, or operators as bytes. outline: the title of one entry, to the last page."""
    count, first = len(pages), 5
    kids = " ".join(f"{first + 2 * k} 0 R" for k in range(count))
    last = first + 2 * (count - 1)
    entry = f"<</Title({outline})/Parent 3 0 R/Dest[{last} 0 R/Fit]>>".encode()
    own = last + 2
    objects = [
        b"<</Type/Catalog/Pages 2 0 R" + b"/Outlines 3 0 R" * bool(outline) + b">>",
        f"<</Type/Pages/Count {count}/Kids[{kids}]>>".encode(),
        f"<</Type/Outlines/First {own} 0 R/Last {own} 0 R/Count 1>>".encode() if outline else b"null",
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
    ]
    for k, page in enumerate(pages):
        resources = "<</Font<</F1 4 0 R>>>>"
        at = first + 2 * k + 1
        objects += [
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents {at} 0 R/Resources{resources}>>".encode(),
            stream(drawn(page) if isinstance(page, str) else page, packed=packed),
        ]
    return assemble([*objects, entry] if outline else objects, trailer)


# An inline image and no text, as a scanner makes it.
SCANNED = b"q 100 0 0 100 0 0 cm BI /W 1 /H 1 /CS /G /BPC 8 ID \x00 EI Q"
LOCK = (
    f"/Encrypt<</Filter/Standard/V 1/R 2/P -4/O<{'28BF4E5E' * 8}>/U<{'00112233' * 8}>>>"
    f"/ID[<{'0123456789ABCDEF' * 2}><{'0123456789ABCDEF' * 2}>]"
)


def docx(body: str, before: str = "", **parts: str) -> bytes:
    """body: paragraphs in WordprocessingML. before: what stands before the root. parts: further ones, by name."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("word/document.xml", f"{before}<w:document {W}><w:body>{body}</w:body></w:document>")
        archive.writestr("word/styles.xml", HEADING)
        for name, content in parts.items():
            archive.writestr(f"word/{name}.xml", content)
    return packed.getvalue()


def paragraph(text: str, style: str = "") -> str:
    styled = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f"<w:p>{styled}<w:r><w:t>{text}</w:t></w:r></w:p>"


def entities(attribute: bool = False) -> bytes:
    """A docx whose ten entities stand for 10^10 words."""
    names = [f'<!ENTITY e{k} "{f"&e{k - 1};" * 10}">' for k in range(1, 11)]
    declared = f'<!DOCTYPE d [<!ENTITY e0 "laugh ">{"".join(names)}]>'
    return docx('<w:p w:x="&e10;"/>' if attribute else paragraph("&e10;"), declared)


def bomb(name: str) -> tuple[str, bytes]:
    """(file name, bytes) of one of BOMBS: small files that ask for much memory or time."""
    if name == "flate":
        return "flate.pdf", pdf([b" " * 300_000_000], packed=True)
    if name == "operators":
        return "operators.pdf", pdf([b"BT /F1 9 Tf " + b"(a) Tj " * 9_000_000 + b"ET"], packed=True)
    if name == "laughs":
        return "laughs.docx", entities()
    if name == "docx":
        return "bomb.docx", docx(paragraph("a" * 120_000_000))
    return "nested.html", b"<html><body>" + b"<div>" * 200_000 + b"at the bottom"
