"""What is looked at, as it stands in the address: a copied link shows the same.

?run=...&signal=surprise&layer=2&token=62&span=101-400&range=120-130&map=mean&unit=word&rule=max&underline=theta.alpha.
Counted from 1 as on the page; a span names its first and its last token. What is the default is left out.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

Span = tuple[int, int]  # tokens from..to, counted from 0, `to` not among them

HOW = ("max", "mean")
UNITS = ("token", "word", "sentence", "paragraph")
RULES = ("mean", "max")
MOST_UNDERLINES = 2

_COUNT = re.compile(r"[1-9][0-9]{0,11}")
_SPAN = re.compile(r"([1-9][0-9]{0,11})-([1-9][0-9]{0,11})")


@dataclass(frozen=True)
class Pair:
    """Which two of the shown runs are compared, by their places from 0, and whether by their ratio."""

    a: int
    b: int
    ratio: bool = False

    def address(self, count: int) -> dict[str, str | None]:
        """What the address says of it where `count` runs are shown: the last against the first need not be said."""
        plain = (self.a, self.b) == (count - 1, 0)
        return {
            "a": None if plain else str(self.a + 1),
            "b": None if plain else str(self.b + 1),
            "by": "ratio" if self.ratio else None,
        }


@dataclass(frozen=True)
class Look:
    """What is looked at. layer None: all layers. nonce changes when the server, not the browser, moved the token.

    span: the tokens that the figures show, None for all. range: the tokens selected in the text. Both are from..to,
    counted from 0, without `to`. how: what the layer map shows of a bin, "max" or "mean". at: when the
    browser made the newest choice that is known of, in its ms; it may have made another since. unit: what the text is
    coloured by, one of UNITS, and rule: which value of its tokens one has, of RULES. underlines: signals.
    """

    signal: str
    layer: int | None
    token: int | None
    nonce: int
    span: Span | None = None
    range: Span | None = None
    how: str = HOW[0]
    at: int = 0
    unit: str = UNITS[0]
    rule: str = RULES[0]
    underlines: tuple[str, ...] = ()

    @property
    def address(self) -> dict[str, str | None]:
        """What the address says of it, as parameters; None where one is not to be there."""
        return {
            "signal": self.signal,
            "layer": None if self.layer is None else str(self.layer + 1),
            "token": None if self.token is None else str(self.token + 1),
            "span": None if self.span is None else f"{self.span[0] + 1}-{self.span[1]}",
            "range": None if self.range is None else f"{self.range[0] + 1}-{self.range[1]}",
            "map": None if self.how == HOW[0] else self.how,
            "unit": None if self.unit == UNITS[0] else self.unit,
            "rule": None if self.unit == UNITS[0] or self.rule == RULES[0] else self.rule,
            "underline": ".".join(self.underlines) or None,
        }


def read(query: Mapping[str, str], signals: Collection[str]) -> dict[str, Any]:
    """The parts of a link that can be meant: signal, layer, token, span, range, map, unit, rule, underlines, a, b, by.

    Whatever else it says is ignored. Whether there is such a layer, token or run is for the reader to see.
    """
    found: dict[str, Any] = {}
    for name in ("signal", "map", "unit", "rule"):
        if query.get(name) in _offered(signals)[name]:
            found[name] = query[name]
    lines = underlines(query.get("underline", "").split("."), signals)
    if lines:
        found["underlines"] = lines
    if query.get("by") == "ratio":
        found["by"] = "ratio"
    for name in ("layer", "token", "a", "b"):
        if _COUNT.fullmatch(query.get(name, "")):
            found[name] = int(query[name]) - 1
    for name in ("span", "range"):
        ends = _SPAN.fullmatch(query.get(name, ""))
        if ends and int(ends[1]) <= int(ends[2]):
            found[name] = (int(ends[1]) - 1, int(ends[2]))
    return found


def underlines(names: object, signals: Collection[str]) -> tuple[str, ...]:
    """Those of a list of names that are signals, each once, as many as the text draws."""
    listed = names if isinstance(names, list) else []
    known = (name for name in listed if isinstance(name, str) and name in signals)
    return tuple(dict.fromkeys(known))[:MOST_UNDERLINES]


def told(name: str, report: list[Any], signals: Collection[str]) -> dict[str, Any]:
    """{name: value} of what a browser reports of one part, [what, time]; nothing of what cannot be meant.

    name: as in `read`, or "theme".
    """
    value = report[0]
    if name in ("span", "range"):
        return {name: ends(report)}
    if name in ("layer", "token"):
        return {name: value if type(value) is int and value >= 0 else None}
    if name == "underlines":
        return {name: underlines(value, signals)}
    return {name: value} if isinstance(value, str) and value in _offered(signals)[name] else {}


def _offered(signals: Collection[str]) -> dict[str, Collection[str]]:
    return {"signal": signals, "theme": ("light", "dark"), "map": HOW, "unit": UNITS, "rule": RULES}


def ends(report: object) -> Span | None:
    """[from, to, time] as a browser reports tokens; None for none and for what cannot be meant."""
    if not isinstance(report, list) or len(report) < 2 or not all(type(end) is int for end in report[:2]):
        return None
    return (report[0], report[1]) if 0 <= report[0] < report[1] else None
