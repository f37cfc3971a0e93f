"""Bytes of an uploaded text file to text, and what to say about a text before it is run."""

from __future__ import annotations

import codecs
import re
import unicodedata

from titans_core.errors import TextError, shown

# The four-byte marks first: UTF-32 LE begins like UTF-16 LE.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SURROGATE = re.compile("[\ud800-\udfff]")
_CONTROL = re.compile("[\0-\b\v\f\x0e-\x1f\x7f]")  # all but tab, line feed and carriage return
_DECODED = ", such as data.decode()"
_ONE_WORD = re.compile(r"\s*\S{1,24}\s*")


def read_text(data: bytes) -> str:
    """The text of a .txt or .md file: by its byte order mark, which is dropped, or UTF-8. Line ends stay.

    Raises TextError for bytes that are not text, naming the first wrong byte and its offset in the file.
    """
    mark, encoding = mark_of(data)
    body = memoryview(data)[len(mark) :]
    nuls = data.count(0)
    if encoding == "utf-8" and looks_binary(data):
        raise TextError(
            f"{nuls:,} of {len(data):,} bytes are zero: this looks like a binary file, not text "
            "(or like UTF-16 without a byte order mark); save it as UTF-8 text and try again"
        )
    try:
        return str(body, encoding)
    except UnicodeDecodeError as error:
        offset = len(mark) + error.start
    binary = "; it also holds zero bytes, so it looks like a binary file" if encoding == "utf-8" and nuls else ""
    raise TextError(
        f"byte 0x{data[offset]:02X} at offset {offset:,} is not valid {encoding.upper()}{binary}; "
        "save the file as UTF-8 text and try again"
    )


def mark_of(data: bytes) -> tuple[bytes, str]:
    """The byte order mark that a file begins with and its encoding; b"" and utf-8 without one."""
    return next(((m, e) for m, e in _MARKS if data.startswith(m)), (b"", "utf-8"))


def looks_binary(data: bytes) -> bool:
    """Whether so many bytes are zero that this is no text, or UTF-16."""
    nuls = data.count(0)
    return nuls >= 4 and nuls * 32 > len(data)


def check_text(text: object) -> list[str]:
    """What a reader should know about `text` before it is run, as plain sentences; often none.

    Raises TextError for a text that cannot be run: no str, empty, only white space, or with a lone surrogate.
    """
    if not isinstance(text, str):
        raise TextError(f"the text is {shown(text)}; give a str{_DECODED * isinstance(text, bytes | bytearray)}")
    if not text:
        raise TextError("the text is empty; type or paste at least one word")
    if text.isspace():
        raise TextError(f"the text is blank: {len(text):,} white-space characters and nothing else; add a word")
    if found := _SURROGATE.search(text):
        raise lone_surrogate(text, found.start())
    return [*_about_controls(text), *_about_script(text), *_about_length(text)]


def lone_surrogate(text: str, offset: int) -> TextError:
    """The error for text[offset], a surrogate: half of a UTF-16 pair, which no UTF-8 text can hold."""
    return TextError(
        f"U+{ord(text[offset]):04X} at character offset {offset:,} is a lone surrogate, half of a UTF-16 "
        "pair and not a character; remove it or replace it by U+FFFD"
    )


def _about_controls(text: str) -> list[str]:
    first = _CONTROL.search(text)
    if first is None:
        return []
    code = ord(first[0])
    picture = chr(0x2400 + code if code < 32 else 0x2421)
    name = unicodedata.name(picture).removeprefix("SYMBOL FOR ")
    which = f"U+{code:04X} {name} at character offset {first.start():,}"
    count = len(_CONTROL.findall(text))
    if count == 1:
        return [f"1 control character ({which}) is shown as a picture like {picture}."]
    return [f"{count:,} control characters (first: {which}) are shown as pictures like {picture}."]


def _about_script(text: str) -> list[str]:
    share = 1 - len(text.encode("ascii", "ignore")) / len(text)
    if share <= 0.2:
        return []
    return [
        f"{share:.0%} of the characters are not ASCII. The models learned from English text and read most "
        "other characters byte by byte, so surprise is high throughout."
    ]


def _about_length(text: str) -> list[str]:
    if not _ONE_WORD.fullmatch(text):
        return []
    return [
        "The text is a single word, so there is little or nothing before any token to predict it from. "
        "A few sentences show more."
    ]
