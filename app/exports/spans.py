"""The text of a run as HTML: a span a token, its background the class of its colour. Everything is escaped."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from html import escape

import numpy as np

from app.exports import svg
from app.theme import number

# Shown as nothing, as on the page: they would turn the text around or hide it.
_HIDDEN = re.compile("[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\r]")
_CONTROL = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f]")
_NEWLINE = '<i class="nl"></i>\n'
_JOINER = "\u200d"


def cells(content: str, start: np.ndarray, end: np.ndarray) -> Iterator[tuple[int, int]]:
    """(first, last + 1) of tokens that are drawn as one: they share a character, or join into one sign."""
    first, reach = 0, 0
    for k in range(len(start)):
        if k and start[k] >= reach and not _joins(content, int(start[k])):
            yield first, k
            first = k
        reach = max(reach, int(end[k]))
    yield first, len(start)


def _joins(content: str, at: int) -> bool:
    """Whether the character at `at` joins the one before: a mark, or a part of an emoji."""
    if not 0 < at < len(content):
        return False
    sign = content[at]
    if sign < "\u0300":
        return False
    is_mark = unicodedata.category(sign)[0] == "M" or "\U0001f3fb" <= sign <= "\U0001f3ff"
    return is_mark or _JOINER in (sign, content[at - 1])


def spans(
    content: str, start: np.ndarray, end: np.ndarray, values: np.ndarray, low: float, high: float, css: str = "c"
) -> str:
    """HTML of the tokens; start, end, values (T,). css: "c" for a ramp, "d" for a scale around zero.

    A cell takes the colour of its highest value; its title has the number of its first token and all values.
    """
    parts = []
    for a, b in cells(content, start, end):
        stop = int(start[b]) if b < len(start) else int(end[-1])
        own = values[a:b]
        known = own[~np.isnan(own)]
        step = int(svg.level(known.max(keepdims=True), low, high)[0]) if len(known) else -1
        colour = f' class="{css}{step}"' if step >= 0 else ""
        said = f"{a + 1} · " + ", ".join(number(float(v)) if np.isfinite(v) else _name(v) for v in own)
        parts.append(f'<span{colour} title="{said}">{visible(content[int(start[a]) : stop])}</span>')
    return "".join(parts)


def _name(value: float) -> str:
    return "not defined" if np.isnan(value) else ("infinite" if value > 0 else "minus infinite")


def visible(content: str) -> str:
    """A person's words as HTML: escaped, control characters as pictures, line ends marked."""
    shown = _CONTROL.sub(lambda found: _picture(ord(found[0])), _HIDDEN.sub("", content))
    return escape(shown).replace("\n", _NEWLINE)


def _picture(code: int) -> str:
    return chr(0x2400 + code) if code < 32 else ("\u2421" if code == 0x7F else f"\u2039U+{code:04X}\u203a")
