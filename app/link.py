"""What is looked at, as it stands in the address: a copied link shows the same.

?run=...&signal=surprise&layer=2&token=62&span=101-400&range=120-130&map=mean. Counted from 1 as on the page; a span
names its first and its last token.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

Span = tuple[int, int]  # tokens from..to, counted from 0, `to` not among them

HOW = ("max", "mean")

_COUNT = re.compile(r"[1-9][0-9]{0,11}")
_SPAN = re.compile(r"([1-9][0-9]{0,11})-([1-9][0-9]{0,11})")


@dataclass(frozen=True)
class Look:
    """What is looked at. layer None: all layers. nonce changes when the server, not the browser, moved the token.

    span: the tokens that the figures show, None for all. range: the tokens selected in the text. Both are from..to,
    counted from 0, without `to`. how: what the layer map shows of a bin, "max" or "mean". at: when the
    browser made the newest choice that is known of, in its ms; it may have made another since.
    """

    signal: str
    layer: int | None
    token: int | None
    nonce: int
    span: Span | None = None
    range: Span | None = None
    how: str = HOW[0]
    at: int = 0

    @property
    def address(self) -> dict[str, str | None]:
        """What the address says of it."""
        return write(self.signal, self.layer, self.token, self.span, self.range, self.how)


def read(query: Mapping[str, str], signals: Collection[str]) -> dict[str, Any]:
    """The parts of a link that can be meant: signal, layer, token, span, range, map. Whatever else it says is ignored.

    Whether the shown runs have such a layer or token is for the reader to see.
    """
    found: dict[str, Any] = {}
    if query.get("signal") in signals:
        found["signal"] = query["signal"]
    if query.get("map") in HOW:
        found["map"] = query["map"]
    for name in ("layer", "token"):
        if _COUNT.fullmatch(query.get(name, "")):
            found[name] = int(query[name]) - 1
    for name in ("span", "range"):
        ends = _SPAN.fullmatch(query.get(name, ""))
        if ends and int(ends[1]) <= int(ends[2]):
            found[name] = (int(ends[1]) - 1, int(ends[2]))
    return found


def write(
    signal: str, layer: int | None, token: int | None, span: Span | None, chosen: Span | None, how: str
) -> dict[str, str | None]:
    """The same as parameters of the address; None where one is not to be there."""
    return {
        "signal": signal,
        "layer": None if layer is None else str(layer + 1),
        "token": None if token is None else str(token + 1),
        "span": None if span is None else f"{span[0] + 1}-{span[1]}",
        "range": None if chosen is None else f"{chosen[0] + 1}-{chosen[1]}",
        "map": None if how == HOW[0] else how,
    }


def ends(report: object) -> Span | None:
    """[from, to, time] as a browser reports tokens; None for none and for what cannot be meant."""
    if not isinstance(report, list) or len(report) < 2 or not all(type(end) is int for end in report[:2]):
        return None
    return (report[0], report[1]) if 0 <= report[0] < report[1] else None
