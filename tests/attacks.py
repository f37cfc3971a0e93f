"""Files made to do harm, small and quick to make: name -> (bytes, what must be in the text or in the message)."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Sequence

from tests.making import W, assemble, docx, drawn, entities, paragraph, pdf, stream

Attacks = dict[str, tuple[bytes, str]]
WORDS = stream(drawn("hello"))
NO_TEXT = "no text was found"
DAMAGED = "damaged, cut short or has a password"


def one_page(contents: bytes = WORDS, count: int = 1, kids: bytes = b"3 0 R", more: Sequence[bytes] = ()) -> bytes:
    """A PDF whose objects are 1 catalog, 2 pages, 3 page, 4 its contents, 5... more."""
    return assemble(
        [
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Count %d/Kids[%s]>>" % (count, kids),
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R/Resources<</XObject<</A 5 0 R>>>>>>",
            contents,
            *more,
        ]
    )


def slow_pdf(pages: int) -> bytes:
    """Few bytes that take long: one page of much text, so many times."""
    much = stream(drawn("\n".join(["hello " * 20] * 1_000)), packed=True)
    return one_page(much, pages, b"3 0 R " * pages)


def pdfs() -> Attacks:
    plain = one_page()
    table = plain.rindex(b"xref\n0")
    nested = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/X " + b"[" * 300_000 + b">>"
    outline = pdf(["x"], outline="A").replace(b"/Dest[5 0 R/Fit]", b"/Next 7 0 R/First 7 0 R")
    deep = [b"<</Type/Pages/Count 1/Kids[%d 0 R]>>" % (k + 3) for k in range(5_000)]
    return {
        "a table of objects that follows itself": (with_previous(plain, table), "hello"),
        "two tables that follow each other": (two_tables(), "hello"),
        "a stream of objects that extends itself": (object_streams("/Extends 5 0 R"), "hello"),
        "two streams that extend each other": (object_streams("/Extends 6 0 R"), "hello"),
        "a stream of objects inside itself": (object_streams("", inside=True), "hello"),
        "stacked filters": (one_page(stacked(4, 100_000_000)), NO_TEXT),
        "ten thousand filters": (one_page(stream(b"abc", "/Filter[" + "/FlateDecode" * 10_000 + "]")), NO_TEXT),
        "ten thousand pages": (pdf(["words"] * 10_000), "words"),
        "a page more": (one_page(count=10_001, kids=b"3 0 R " * 10_001), "10,001 pages; up to 10,000 are read"),
        "pages that hold themselves": (one_page(count=2, kids=b"2 0 R 3 0 R"), "hello"),
        "pages in a ring": (
            one_page(count=5, kids=b"5 0 R", more=[b"<</Type/Pages/Count 4/Kids[2 0 R]/Parent 2 0 R>>"]),
            "5 damaged pages (1, 2, 3, 4, 5) not read",
        ),
        "pages 5,000 deep": (assemble([b"<</Type/Catalog/Pages 2 0 R>>", *deep, b"<</Type/Page>>"]), NO_TEXT),
        "a count of a milliard": (one_page(count=10**9), "hello"),
        "a count of a billion": (one_page(count=10**12), "hello"),
        "a count below zero": (one_page(count=-1), "hello"),
        "more counted than there are": (one_page(count=9_999), "hello"),
        "one page 9,999 times": (one_page(count=9_999, kids=b"3 0 R " * 9_999), "hello"),
        "arrays in arrays": (assemble([b"<</Type/Catalog/Pages 2 0 R>>", nested]), NO_TEXT),
        "an image that does not end": (pdf([b"BI /W 1 /H 1 /CS /G /BPC 8 ID " + b"x" * 500_000]), NO_TEXT),
        "a length that lies": (plain.replace(b"/Length ", b"/Length 99999999999 /X "), "hello"),
        "an outline in a ring": (outline, "x"),
        "an address that is opened": (
            plain.replace(b"/Catalog", b"/Catalog/OpenAction<</S/URI/URI(http://x)>>"),
            "hello",
        ),
        "a header alone": (b"%PDF-1.7\n", "damaged or cut short"),
        "an unknown lock": (
            pdf(["a"], trailer="/Encrypt<</Filter/Odd/V 1>>/ID[<00><00>]"),
            "password or other encryption",
        ),
    }


def forms_in_a_ring() -> bytes:
    """A drawing that draws itself ten times, and so on."""
    own = "/Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</A 5 0 R>>>>"
    return one_page(stream(b"/A Do " * 10), more=[stream(b"/A Do " * 10, own)])


def with_previous(data: bytes, at: int) -> bytes:
    return data.replace(b"/Root 1 0 R>>", b"/Root 1 0 R/Prev %d>>" % at)


def two_tables() -> bytes:
    """The first table of objects says that the second stood before it, and so does the second."""
    data = one_page()
    body, first = data[: data.rindex(b"startxref")], data.rindex(b"xref\n0")
    second = len(body) + len(b"/Prev 0000000000")
    body = with_previous(body, 0).replace(b"/Prev 0", b"/Prev %010d" % second)
    return body + b"xref\n0 0\ntrailer<</Size 9/Root 1 0 R/Prev %d>>\nstartxref\n%d\n%%%%EOF\n" % (first, second)


def object_streams(extends: str, *, inside: bool = False) -> bytes:
    """Objects 2 and 3 stand in the stream 5. inside: that stream is said to stand in itself."""
    held = b"<</Type/Pages/Count 1/Kids[3 0 R]>> <</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R>>"
    index = b"2 0 3 %d " % (held.index(b"> <") + 2)
    packed = stream(index + held, f"/Type/ObjStm/N 2/First {len(index)}{extends}")
    other = stream(index + held, f"/Type/ObjStm/N 2/First {len(index)}/Extends 5 0 R")
    out, at = bytearray(b"%PDF-1.7\n"), {}
    for number, body in ((1, b"<</Type/Catalog/Pages 2 0 R>>"), (4, WORDS), (5, packed), (6, other)):
        at[number] = len(out)
        out += b"%d 0 obj\n" % number + body + b"\nendobj\n"
    rows = [(0, 0, 65_535), (1, at[1], 0), (2, 5, 0), (2, 5, 1), (1, at[4], 0)]
    rows += [(2, 5, 0) if inside else (1, at[5], 0), (1, at[6], 0), (1, len(out), 0)]
    table = b"".join(struct.pack(">BIH", *row) for row in rows)
    where = len(out)
    out += b"7 0 obj\n" + stream(table, "/Type/XRef/Size 8/W[1 4 2]/Root 1 0 R") + b"\nendobj\n"
    return bytes(out + b"startxref\n%d\n%%%%EOF\n" % where)


def stacked(times: int, size: int) -> bytes:
    data = b" " * size
    for _ in range(times):
        data = zlib.compress(data, 6)
    return stream(data, "/Filter[" + "/FlateDecode" * times + "]")


def zipped(document: str | bytes, **parts: str) -> bytes:
    """A docx with this document part as it is, and others by name."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", document)
        for name, content in parts.items():
            archive.writestr(f"word/{name}.xml", content)
    return packed.getvalue()


def lying(data: bytes, size: int, packed: int | None = None) -> bytes:
    """The first part says of itself, in both places, that it unpacks to `size` bytes."""
    changed, listed = bytearray(data), data.index(b"PK\x01\x02")
    struct.pack_into("<I", changed, 22, size)
    struct.pack_into("<I", changed, listed + 24, size)
    if packed is not None:
        struct.pack_into("<I", changed, listed + 20, packed)
    return bytes(changed)


def overlapping(count: int, *, itself: bool = False) -> bytes:
    """So many entries that are all one and the same data. itself: that data is the archive, as in a zip quine."""
    body = f"<w:document {W}><w:body>{paragraph('a' * 5_000_000)}</w:body></w:document>".encode()
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    data, method = packer.compress(body) + packer.flush(), 8
    if itself:
        data, method = b"", 0
    name = b"word/document.xml"
    sizes = struct.pack("<III", zlib.crc32(body), len(data) or 30, len(body) if data else 30)
    local = b"PK\x03\x04" + struct.pack("<HHHHH", 20, 0, method, 0, 0) + sizes + struct.pack("<HH", len(name), 0) + name
    listed = bytearray()
    for k in range(count):
        called = name if not k else b"word/styles.xml" if k == 1 else b"word/header%d.xml" % k
        listed += b"PK\x01\x02" + struct.pack("<HHHHHH", 20, 20, 0, method, 0, 0) + sizes
        listed += struct.pack("<HHHHHII", len(called), 0, 0, 0, 0, 0, 0) + called
    end = struct.pack("<HHHHIIH", 0, 0, count, count, len(listed), len(local + data), 0)
    return local + data + listed + b"PK\x05\x06" + end


def docxs() -> Attacks:
    words = paragraph("some words")
    good, root = zipped(f"<w:document {W}>{words}</w:document>"), f"<w:document {W} w:x='&e;'>{words}</w:document>"
    laughs = f'<!DOCTYPE d [<!ENTITY e0 "{"x" * 100_000}"><!ENTITY e "{"&e0;" * 9_000}">]>'
    hidden = f'<?xml version="1.0" encoding="utf-16"?><!DOCTYPE d [<!ENTITY e "x">]>{root}'.encode("utf-16")
    many = " ".join(f"w:a{k}='x'" for k in range(100_000))
    flag = bytearray(good)
    flag[6] = flag[good.index(b"PK\x01\x02") + 8] = 1
    return {
        "a size that lies, too small": (lying(zipped(docx_of(10_000_000)), 10), DAMAGED),
        "a size that lies, too large": (lying(good, 0xFFFFFFF0), "would unpack to 4,295 MB"),
        "a packed size that lies": (lying(good, 10_000, 0), DAMAGED),
        "packed data that is none": (good[:60] + b"\xff" * 40 + good[100:], DAMAGED),
        "another packing": (archived(good, 1, "word/document.xml", zipfile.ZIP_LZMA), DAMAGED),
        "a wrong end": (good[:-12] + b"\xff" * 12, DAMAGED),
        "a wrong end for large files": (
            good[:-22] + b"PK\x06\x06" + b"\xff" * 52 + b"PK\x06\x07" + bytes(16) + good[-22:],
            DAMAGED,
        ),
        "entries that overlap": (overlapping(1_999), ""),
        "entries without number": (overlapping(60_000), "60,000 entries, and no docx has more than 2,000"),
        "an archive that holds itself": (overlapping(1, itself=True), DAMAGED),
        "an entry with a password": (bytes(flag), DAMAGED),
        "an archive in an archive": (archived(good, 20), "a zip archive without a Word document"),
        "laughs": (entities(), "document type"),
        "laughs in the first tag": (zipped(laughs + root), "amplification"),
        "a DTD in UTF-16": (zipped(hidden), "document type"),
        "a DTD in the styles": (
            zipped(f"<w:document {W}>{words}</w:document>", styles=f"{laughs}<a/>"),
            "document type",
        ),
        "200,000 nested tags": (docx("<w:p>" * 200_000 + "</w:p>" * 200_000), "Excessive depth in document"),
        "a huge attribute": (docx(f'<w:p w:a="{"x" * 11_000_000}"/>{words}'), "no valid XML"),
        "very many attributes": (docx(f"<w:p {many}/>{words}"), "some words"),
        "what may stand before the root": (docx(words, '<?xml-stylesheet href="x"?><!-- x -->'), "some words"),
        "a million comments": (docx("<!---->" * 1_000_000 + words), "some words"),
        "a zero": (docx(words.replace("some", "\0")), "no valid XML"),
        "an empty part": (zipped(""), "no valid XML"),
    }


def docx_of(characters: int) -> str:
    return f"<w:document {W}><w:body>{paragraph('a' * characters)}</w:body></w:document>"


def archived(data: bytes, times: int, name: str = "word.docx", packing: int = zipfile.ZIP_DEFLATED) -> bytes:
    for _ in range(times):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", packing) as archive:
            archive.writestr(name, data)
        data = packed.getvalue()
    return data


def htmls() -> Attacks:
    bodies = {
        "nested boxes": (b"<div>" * 200_000 + b"words", "words"),
        "nested letters": (b"<p><b><i>" * 70_000 + b"words", "words"),
        "nested tables": (b"<table><tr><td>" * 70_000 + b"words", "words"),
        "a huge attribute": (b"<p title='" + b"x" * 10_000_000 + b"'>words", "words"),
        "very many attributes": (b"<p " + b" ".join(b"a%d=1" % k for k in range(100_000)) + b">words", "words"),
        "a huge name": (b"<" + b"x" * 5_000_000 + b">words", "words"),
        "a huge comment": (b"<!--" + b"x" * 10_000_000 + b"-->words", "words"),
        "numbers that are no characters": (b"&#xFFFFFFFF;&#0;&#xD800;&nosuch;words", "words"),
        "UTF-7": (b"<meta charset=utf-7>+ADw-script+AD4- words", "+ADw-script+AD4- words"),
        "an encoding that is none": (b"<meta charset=base64_codec>caf\xe9 au lait, mon ami", "caf\xe9 au lait"),
        "a zero in a tag": (b"words<scr\0ipt>", "words"),
        "what runs": (b"<script>x</script><style>x</style><template>x</template><title>x</title>", NO_TEXT),
    }
    return {name: (b"<html><body>" + body, says) for name, (body, says) in bodies.items()}
