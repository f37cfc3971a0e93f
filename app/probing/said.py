"""What a continuation says: the number or word that it begins with, and where that stands in a document. No torch."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from app.jobs.subjects import Subject

_VALUE = re.compile(r"\W{0,4}(\d+(?:[.,]\d+)*|\w+(?:[-'’]\w+)*)")

# Letters and digits of scripts that put spaces between words.
_INSIDE = re.compile("[^\\W_\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")


def said(name: str, tokenizer: Any, continued: Any, expected: str, before: str = "") -> dict[str, Any]:
    """One way of asking, `name`, and what came of it: titans_core.probes.continuing.Continued.

    value: the number or word that it begins with, "" for neither; the expected answer where it begins with that, if one
    is. inside: it goes on inside the word that `before`, what was asked, ends in: what it begins with is no value.
    tokens: as far as the value's end. p: their probability. entropy: of the first, in bits. text: all of it.
    """
    text = tokenizer.decode(continued.ids)
    begins = len(text) - len(text.lstrip())
    found = _VALUE.match(text)
    inside = bool(_INSIDE.search(before[-1:]) and _INSIDE.match(text))
    if expected and text.startswith(expected, begins):
        inside = False
        value, end = expected, begins + len(expected)
    else:
        value, end = (found[1], found.end()) if found else ("", len(text))
    lengths = (len(tokenizer.decode(continued.ids[:n])) for n in range(1, len(continued.ids) + 1))
    count = next(n for n, length in enumerate(lengths, 1) if length >= end)
    p = float(np.prod(continued.p[:count]))
    return {"name": name, "text": text, "value": value, "inside": inside} | {
        "tokens": count,
        "p": p,
        "entropy": continued.entropy,
    }


def stands(value: str, subject: Subject) -> dict[str, Any] | None:
    """How often the value stands in the document as a word of its own, and where first; None where it does not."""
    pattern = re.compile(rf"(?<!\w){re.escape(value)}(?!\w)", re.IGNORECASE)
    found = [match.start() for match in pattern.finditer(subject.text)] if value else []
    return {"count": len(found), "place": subject.place(found[0])} if found else None
