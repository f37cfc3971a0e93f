"""The needle grid as a figure: small multiples, a memory each, with what the cells say in words and as a table.

The cells are those of app.needles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from app.needles import INVENTED, KINDS, MISSING, RIGHT, WRONG, Cell
from app.theme import CIVIDIS, Palette
from titans_core.evaluation.cells import length_name
from titans_core.probes.spots import Found, effective_length

GLYPHS = {WRONG: "▨", MISSING: "·", INVENTED: "?"}  # in a cell, of the error made most there
MEANING = {
    RIGHT: "The value that was hidden, whole.",
    WRONG: "A value of the asked form that stands elsewhere in the text.",
    MISSING: "Nothing of the asked form.",
    INVENTED: "A value of the asked form that stands nowhere in the text; one wrong digit is enough.",
}
NOT_LONGER, NOT_SHORTER = "nothing longer was run", "nothing shorter was run"
NB = "\u00a0"


@dataclass(frozen=True)
class Grid:
    """The cells that one memory has filled so far."""

    checkpoint: str
    name: str
    cells: Sequence[Cell]

    def at(self, length: int, depth: float) -> Cell | None:
        return next((one for one in self.cells if (one["length"], one["depth"]) == (length, depth)), None)


def drawing(
    grids: Sequence[Grid], lengths: Sequence[int], depths: Sequence[float], threshold: float, palette: Palette
) -> dict[str, Any]:
    """What the browser draws: columns of lengths, and of each grid its rows from the beginning of the text down.

    line: the column before which the line of the effective length stands; None for none.
    """
    ends = {grid.checkpoint: effective(grid, depths, threshold)[0] for grid in grids}
    return {
        "lengths": [length_name(length) for length in lengths],
        "depths": [share(depth) for depth in depths],
        "grids": [
            {
                "name": grid.name,
                "colour": palette.variant(grid.checkpoint),
                "line": None if (end := ends[grid.checkpoint]) is None else list(lengths).index(end),
                "rows": [[_drawn(grid, length, depth) for length in lengths] for depth in depths],
            }
            for grid in grids
        ],
    }


def _drawn(grid: Grid, length: int, depth: float) -> dict[str, Any]:
    found, at = grid.at(length, depth), [grid.checkpoint, length, depth]
    if found is None:
        return {"at": at, "words": f"{grid.name}, {place(length, depth)}: not run"}
    fill = colour(found["rate"])
    return {
        "at": at,
        "share": f"{100 * found['rate']:.0f}",
        "marks": _marks(found),
        "fill": fill,
        "ink": ink(fill),
        "words": f"{grid.name}, {place(length, depth)}: {result(found)}",
    }


def _marks(found: Cell) -> str:
    """Of the most frequent error, or of those that are equally frequent."""
    counts = {kind: found["kinds"][kind] for kind in GLYPHS}
    most = max(counts.values())
    return "".join(GLYPHS[kind] for kind, count in counts.items() if most and count == most)


def place(length: int, depth: float) -> str:
    return f"{length_name(length)}, depth {share(depth)}"


def result(found: Cell) -> str:
    """7 of 10 right, 70 % (95 % interval 40 to 89 %); 2 invented, 1 missing."""
    ends = f"{100 * found['low']:.0f} to {share(found['high'])}"
    wrong = ", ".join(f"{found['kinds'][kind]} {kind}" for kind in _by_count(found) if kind != RIGHT)
    said = f"{found['right']} of {found['n']} right, {share(found['rate'])} (95{NB}% interval {ends})"
    return said + (f"; {wrong}" if wrong else "")


def text_line(i: int, text: dict[str, str]) -> str:
    """Text 3: invented, “7304410” instead of “7304416”."""
    if text["kind"] == RIGHT:
        return f"Text {i + 1}: right, “{text['value']}”"
    return f"Text {i + 1}: {text['kind']}, “{text['said']}” instead of “{text['value']}”"


def legend() -> str:
    """What colours and marks mean, as HTML (no user text in it)."""
    ramp = f"linear-gradient(90deg, {', '.join(CIVIDIS)})"
    box = "display:inline-block;height:10px;border-radius:2px;vertical-align:-1px"
    parts = [
        f'0 <span style="{box};width:56px;background:{ramp}"></span> 100 % right',
        f'<span style="{box};width:14px;background:color-mix(in srgb, currentColor 22%, transparent)"></span> not run',
        *(f"{glyph} {kind}" for kind, glyph in GLYPHS.items()),
        "┊ effective length",
    ]
    spans = "".join(f'<span style="white-space:nowrap">{part}</span>' for part in parts)
    return f'<div style="font-size:0.8rem;opacity:.8;display:flex;flex-wrap:wrap;gap:0 14px">{spans}</div>'


def _by_count(found: Cell) -> list[str]:
    """The kinds of answers that there were, the most frequent first."""
    return sorted((kind for kind in KINDS if found["kinds"][kind]), key=lambda kind: -int(found["kinds"][kind]))


def share(value: float) -> str:
    return f"{100 * value:.0f}{NB}%"


def effective(grid: Grid, depths: Sequence[float], threshold: float) -> tuple[int | None, int | None]:
    """(the first length with less than `threshold` right, the longest that was read), of lengths read at all depths."""
    by_length: dict[int, list[Cell]] = {}
    for one in grid.cells:
        by_length.setdefault(one["length"], []).append(one)
    whole = [one for cells in by_length.values() if len(cells) == len(depths) for one in cells]
    found = [Found(one["length"], one["n"], one["right"]) for one in whole]
    return effective_length(found, threshold), max((one.length for one in found), default=None)


def sentence(grids: Sequence[Grid], depths: Sequence[float], threshold: float) -> str:
    """Up to which length each memory holds, and from which on it does not."""
    told = ", ".join(f"{grid.name} {_holds(grid, depths, threshold)}" for grid in grids)
    return f"Effective length at {share(threshold)}: {told}."


def _holds(grid: Grid, depths: Sequence[float], threshold: float) -> str:
    end, longest = effective(grid, depths, threshold)
    if longest is None:
        return "not known yet"
    if end is None:
        begun = any(one["length"] > longest for one in grid.cells)
        return f"holds up to {length_name(longest)} ({'longer texts are not all read' if begun else NOT_LONGER})"
    held = max((one["length"] for one in grid.cells if one["length"] < end), default=None)
    return f"falls below from {length_name(end)} ({f'holds to {length_name(held)}' if held else NOT_SHORTER})"


def colour(value: float) -> str:
    """Of a share 0..1, on cividis."""
    place = min(max(value, 0.0), 1.0) * (len(CIVIDIS) - 1)
    low = min(int(place), len(CIVIDIS) - 2)
    ends = zip(_channels(CIVIDIS[low]), _channels(CIVIDIS[low + 1]), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * (place - low)):02x}" for a, b in ends)


def ink(fill: str) -> str:
    """Black or white, whichever stands out more on this colour (contrast as in WCAG 2)."""
    light = luminance(fill) + 0.05
    return "#000000" if light / 0.05 >= 1.05 / light else "#ffffff"


def luminance(fill: str) -> float:
    """Relative luminance of a colour, as in WCAG 2."""
    linear = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in _channels(fill)))
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def _channels(fill: str) -> tuple[int, ...]:
    return tuple(int(fill[k : k + 2], 16) for k in (1, 3, 5))


def alt(grids: Sequence[Grid], lengths: Sequence[int], depths: Sequence[float]) -> str:
    """The figure in words: what it shows, and how far each memory has come."""
    cells = len(lengths) * len(depths)
    each = (f"{grid.name} {len(grid.cells)} of {cells} cells, {_right(grid)}" for grid in grids)
    return f"Share of needles found again, by tokens of text and depth of the needle. {'; '.join(each)}."


def _right(grid: Grid) -> str:
    n = sum(one["n"] for one in grid.cells)
    return f"{sum(one['right'] for one in grid.cells)} of {n} texts right" if n else "none read"


def table(grids: Sequence[Grid]) -> tuple[str, pd.DataFrame]:
    """(what the rows are, a row a cell)."""
    rows = [
        {"memory": grid.name, **{name: one[name] for name in ("length", "depth", "n", "right")}}
        | {"share": one["rate"], "low": one["low"], "high": one["high"]}
        | {kind: one["kinds"][kind] for kind in KINDS if kind != RIGHT}
        for grid in grids
        for one in grid.cells
    ]
    columns = ["memory", "length", "depth", "n", "right", "share", "low", "high", WRONG, MISSING, INVENTED]
    note = "A row a cell. length: tokens of each text. low, high: the 95 % Wilson interval of the share that is right."
    return note, pd.DataFrame(rows, columns=columns).round(4)
