"""File names as a person may see them."""

from __future__ import annotations

import re
import unicodedata

_MOST = 80  # characters
_MOST_TITLE = 200
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}  # control, format (bidi too), halves of pairs, unassigned, breaks

# of a title only what harms: joiners are part of words and signs in many languages
_UNSHOWN = re.compile("[\0-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def shown_name(name: str) -> str:
    """`name` on one line of at most 80 characters, invisible and direction-changing ones as "\\u202e".

    Both ends of a long name are kept, since the end says what it claims to be.
    """
    visible = "".join(_escaped(c) if unicodedata.category(c) in _HIDDEN else c for c in name[:1000]) or "unnamed file"
    if len(name) > 1000:
        visible += "…"
    return visible if len(visible) <= _MOST else f"{visible[: _MOST - 21]}…{visible[-20:]}"


def shown_title(title: str) -> str:
    """A heading on one line of at most 200 characters, without what is invisible and turns the line around."""
    line = _SURROGATE.sub("\ufffd", " ".join(_UNSHOWN.sub(" ", title[:1000]).split()))
    return line[:_MOST_TITLE]


def _escaped(char: str) -> str:
    code = ord(char)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
