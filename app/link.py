"""What is looked at, as it stands in the address: a copied link shows the same.

?run=...&signal=surprise&layer=2&token=62&span=101-400&range=120-130&map=mean&unit=word&rule=max&underline=theta.alpha
&passages=lasting&path=3&find=boats&match=2. Counted from 1 as on the page; a span names its first and its last token.
What is the default is left out.
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
KINDS = ("forgotten", "lasting")  # of passages, beside those of the signal
MOST_FIND = 100  # characters of search words; more would make an address that nobody can send

_COUNT = re.compile(r"[1-9][0-9]{0,11}")
_SPAN = re.compile(r"([1-9][0-9]{0,11})-([1-9][0-9]{0,11})")
# All that a link can say, but for the runs.
NAMES = (
    *("signal", "layer", "token", "span", "range", "map", "unit", "rule", "underline"),
    *("passages", "path", "find", "match", "a", "b", "by"),
)
_NOTHING = object()


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
    coloured by, one of UNITS, and rule: which value of its tokens one has, of RULES. underlines: signals. kind: of
    passages, one of KINDS, None for those of the signal. path: the layer whose path through its weights is drawn, None
    for `layer`. find: what the text is searched for; match: the one gone to, from 0.
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
    kind: str | None = None
    path: int | None = None
    find: str = ""
    match: int | None = None

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
            "passages": None if self.kind == self.signal else self.kind,
            "path": None if self.path is None else str(self.path + 1),
            "find": self.find or None,
            "match": None if self.match is None or not self.find else str(self.match + 1),
        }


def read(query: Mapping[str, str], signals: Collection[str]) -> dict[str, Any]:
    """The parts of a link that can be meant, by the names of `Look` and `Pair`; "map" for how, "by" for their ratio.

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
    if query.get("passages") in KINDS:
        found["kind"] = query["passages"]
    if 0 < len(query.get("find", "")) <= MOST_FIND:
        found["find"] = query["find"]
    for name in ("layer", "token", "a", "b", "path", "match"):
        if _COUNT.fullmatch(query.get(name, "")):
            found[name] = int(query[name]) - 1
    for name in ("span", "range"):
        ends = _SPAN.fullmatch(query.get(name, ""))
        if ends and int(ends[1]) <= int(ends[2]):
            found[name] = (int(ends[1]) - 1, int(ends[2]))
    return found


def left_out(query: Mapping[str, str], held: Look, pair: Pair, tokens: int, signals: Collection[str]) -> list[str]:
    """What a link asks for and does not get, each as name=value. held, pair: what is shown of it."""
    found = read(query, signals)
    meant = {"underline": "underlines", "passages": "kind"}
    got = {**vars(held), "map": held.how, "a": pair.a, "b": pair.b, "by": "ratio" if pair.ratio else None}
    missed = []
    for name in NAMES:
        value, key = query.get(name, ""), meant.get(name, name)
        whole_text = name == "span" and found.get(name) == (0, tokens)  # what is shown without it
        in_full = name != "underline" or value == ".".join(found.get(key, ()))
        if value and not whole_text and (found.get(key, _NOTHING) != got[key] or not in_full):
            missed.append(f"{name}={value if len(value) <= 40 else value[:40] + '…'}")
    return missed


def underlines(names: object, signals: Collection[str]) -> tuple[str, ...]:
    """Those of a list of names that are signals, each once, as many as the text draws."""
    listed = names if isinstance(names, list) else []
    known = (name for name in listed if isinstance(name, str) and name in signals)
    return tuple(dict.fromkeys(known))[:MOST_UNDERLINES]


def search(words: object, at: object) -> dict[str, Any]:
    """{"find": words, "match": at} of what a browser searches for; nothing where that is too much for an address."""
    find = words if isinstance(words, str) and len(words) <= MOST_FIND else ""
    return {"find": find, "match": at if find and type(at) is int and at >= 0 else None}


def told(name: str, report: list[Any], signals: Collection[str]) -> dict[str, Any]:
    """{name: value} of what a browser reports of one part, [what, time]; nothing of what cannot be meant.

    name: as in `read`, or "theme". Of "find" the report is [words, match or -1, time].
    """
    value = report[0]
    if name in ("span", "range"):
        return {name: ends(report)}
    if name in ("layer", "token"):
        return {name: value if type(value) is int and value >= 0 else None}
    if name == "underlines":
        return {name: underlines(value, signals)}
    if name == "find":
        return search(*report[:2])
    return {name: value} if isinstance(value, str) and value in _offered(signals)[name] else {}


def _offered(signals: Collection[str]) -> dict[str, Collection[str]]:
    return {"signal": signals, "theme": ("light", "dark"), "map": HOW, "unit": UNITS, "rule": RULES}


def ends(report: object) -> Span | None:
    """[from, to, time] as a browser reports tokens; None for none and for what cannot be meant."""
    if not isinstance(report, list) or len(report) < 2 or not all(type(end) is int for end in report[:2]):
        return None
    return (report[0], report[1]) if 0 <= report[0] < report[1] else None
