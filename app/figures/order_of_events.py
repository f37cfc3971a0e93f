"""Who reads and who writes in one layer, step by step, as titans_core.variants has it: HTML without user text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from app.theme import DARK, LIGHT, VARIANTS

NOTE = (
    "x: the tokens that come in, y: what attention made of them. A memory is always read after the write of the same "
    "tokens, but for MAC's first read, of the memory as the segment before left it. A feed-forward layer follows."
)


class Event(NamedTuple):
    """first, last: the columns it fills, from 1. lane: 1, or 2 for what happens at the same time."""

    words: str
    kind: str
    first: int
    last: int
    lane: int = 1
    lanes: int = 1


EVENTS = {
    "mac": (
        Event("read past", "read", 1, 1),
        Event("attend", "attend", 2, 2),
        Event("write y", "write", 3, 3),
        Event("read", "read", 4, 4),
        Event("gate", "join", 5, 5),
    ),
    "mag": (
        Event("attend", "attend", 1, 2),
        Event("write x", "write", 1, 1, 2),
        Event("read", "read", 2, 2, 2),
        Event("gate", "join", 3, 3, 1, 2),
    ),
    "mal": (
        Event("write x", "write", 1, 1),
        Event("read", "read", 2, 2),
        Event("add", "join", 3, 3),
        Event("attend", "attend", 4, 4),
        Event("add", "join", 5, 5),
    ),
    "lmm": (Event("write x", "write", 1, 1), Event("read", "read", 2, 2), Event("add", "join", 3, 3)),
}
UNIT = {
    "mac": "one segment after the other",
    "mag": "attention and memory side by side",
    "mal": "memory, then attention",
    "lmm": "memory alone",
}
# Light and dark ground of each kind; all carry the page's text.
GROUNDS = {
    "read": ("#d9e9f2", "#24445a"),
    "write": ("#f4d3bd", "#6d4728"),
    "attend": ("#f7ecca", "#4a4326"),
    "join": ("#e9dfec", "#47384f"),
}


def drawing(variants: Sequence[str]) -> str:
    """A row a variant; "" where none of them has a memory."""
    shown = [variant for variant in variants if variant in EVENTS]
    if not shown:
        return ""
    rows = "".join(_row(variant) for variant in shown)
    alt = " ".join(summary(variant) for variant in shown)
    return f'<div role="img" aria-label="{alt}">{rows}</div>'


def summary(variant: str) -> str:
    """The order in words."""
    columns: dict[int, list[str]] = {}
    for event in EVENTS[variant]:
        columns.setdefault(event.first, []).append(event.words)
    steps = ", then ".join(" and at the same time ".join(words) for _, words in sorted(columns.items()))
    return f"{VARIANTS[variant].label}, {UNIT[variant]}: {steps}."


def _row(variant: str) -> str:
    boxes = "".join(
        f'<span style="grid-column:{event.first}/{event.last + 1};grid-row:{event.lane}/{event.lane + event.lanes};'
        f"background:light-dark({GROUNDS[event.kind][0]},{GROUNDS[event.kind][1]});"
        f'padding:3px 4px;border-radius:3px;display:flex;align-items:center;white-space:nowrap">{event.words}</span>'
        for event in EVENTS[variant]
    )
    colour = f"light-dark({LIGHT.variant(variant)},{DARK.variant(variant)})"
    head = f'<b style="color:{colour}">{VARIANTS[variant].label}</b> <span style="opacity:0.75">{UNIT[variant]}</span>'
    grid = "display:grid;grid-template-columns:repeat(5,minmax(0,1fr));gap:3px;margin:2px 0 10px"
    return f'<div style="font-size:12px">{head}<div style="{grid}">{boxes}</div></div>'
