"""File names as a person may see them."""

from __future__ import annotations

import unicodedata

_MOST = 80  # characters
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}  # control, format (bidi too), halves of pairs, unassigned, breaks


def shown_name(name: str) -> str:
    """`name` on one line of at most 80 characters, invisible and direction-changing ones as "\\u202e".

    Both ends of a long name are kept, since the end says what it claims to be.
    """
    visible = "".join(_escaped(c) if unicodedata.category(c) in _HIDDEN else c for c in name[:1000]) or "unnamed file"
    if len(name) > 1000:
        visible += "…"
    return visible if len(visible) <= _MOST else f"{visible[: _MOST - 21]}…{visible[-20:]}"


def _escaped(char: str) -> str:
    code = ord(char)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
