"""Bytes to text: by the encoding that a person names, by a mark, as UTF-8, as the page says, or by a guess."""

from __future__ import annotations

import re

from titans_core.documents.plain import looks_binary, mark_of
from titans_core.errors import DocumentError

# What a person can choose, as the web names them; a guess is one of these too.
ENCODINGS = (
    *("utf-8", "utf-16-le", "utf-16-be", "windows-1252", "windows-1250", "windows-1251", "windows-1253"),
    *("windows-1254", "windows-1255", "windows-1256", "koi8-r", "shift_jis", "euc-jp", "gb18030", "big5", "euc-kr"),
)
_SAMPLE = 65_536  # bytes of the file that a guess looks at
_META = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w-]{2,20})", re.I)
# as browsers do: what calls itself latin-1 is windows-1252
_ALIASES = {"iso-8859-1": "windows-1252", "latin-1": "windows-1252", "latin1": "windows-1252", "us-ascii": "utf-8"}
_ALIASES |= {"gb2312": "gb18030", "gbk": "gb18030", "utf8": "utf-8", "ascii": "utf-8", "cp1252": "windows-1252"}


def decode(data: bytes, encoding: str | None = None, *, html: bool = False) -> tuple[str, str, list[str]]:
    """(text, encoding, what was guessed or replaced, as sentences). A byte order mark is dropped.

    encoding: one of ENCODINGS, which then decides alone. Raises DocumentError for an unknown one, for bytes that it
    cannot decode, and for bytes that are not text.
    """
    if encoding is not None:
        return _forced(data, encoding)
    mark, marked = mark_of(data)
    if mark:
        return _strict(data, marked)
    try:
        text = str(data, "utf-8")
    except UnicodeDecodeError:
        pass
    else:
        if looks_binary(data):
            raise DocumentError(f"{data.count(0):,} of its {len(data):,} bytes are zero: {_binary(data)}")
        return text, "utf-8", []
    if html and (said := _META.search(data[:4096])):
        name = said[1].decode().lower()
        name = _ALIASES.get(name, name)
        if name in ENCODINGS and name != "utf-8" and not name.startswith("utf-16"):
            text = str(data, name, "replace")
            return text, name, _replaced(text, name)
    return _guessed(data)


def _forced(data: bytes, encoding: str) -> tuple[str, str, list[str]]:
    if encoding not in ENCODINGS:
        raise DocumentError(f"the encoding {encoding[:40]!r} is unknown; choose one of {', '.join(ENCODINGS)}")
    return _strict(data, encoding)


def _strict(data: bytes, encoding: str) -> tuple[str, str, list[str]]:
    try:
        return str(data, encoding).removeprefix("\ufeff"), encoding, []
    except UnicodeDecodeError as error:
        raise DocumentError(
            f"byte 0x{data[error.start]:02X} at offset {error.start:,} is not valid {encoding}; choose another "
            "encoding or save the file as UTF-8"
        ) from error


def _guessed(data: bytes) -> tuple[str, str, list[str]]:
    if looks_binary(data) or data.count(0):
        raise DocumentError(f"it holds zero bytes and is no valid UTF-8: {_binary(data)}")
    try:
        import chardet  # noqa: PLC0415 (an extra)
    except ImportError as error:
        raise DocumentError("it is not valid UTF-8; save it as UTF-8, or name its encoding") from error
    legacy = [name for name in ENCODINGS if not name.startswith("utf-")]
    name = (chardet.detect(_telling(data), include_encodings=legacy)["encoding"] or "windows-1252").lower()
    text = str(data, name, "replace")
    notes = [f"The encoding was guessed: {name}. Choose another if letters look wrong."]
    return text, name, [*notes, *_replaced(text, name)]


def _binary(data: bytes) -> str:
    """What bytes with zeros among them are. In UTF-16 the zeros of Latin letters stand first, or second."""
    order = "be" if data[::2].count(0) > data[1::2].count(0) else "le"
    return (
        "this looks like a binary file, not text (or like UTF-16 without a byte order mark: "
        f"choose utf-16-{order} as its encoding)"
    )


def _telling(data: bytes) -> bytes:
    """The part of the file around its first byte that is not ASCII, in whole lines where it has lines."""
    first = next(re.finditer(rb"[\x80-\xff]", data)).start()
    begin = data.rfind(b"\n", 0, max(0, first - 1000)) + 1 if first > 1000 else 0
    return data[begin : begin + _SAMPLE]


def _replaced(text: str, encoding: str) -> list[str]:
    count = text.count("\ufffd")
    return [f"{count:,} bytes or pairs are not valid {encoding} and stand as U+FFFD."] if count else []
