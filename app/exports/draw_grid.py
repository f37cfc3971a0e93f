"""What `titans niah` wrote, as a chart: a needle grid for each memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from app.exports import svg
from app.theme import label
from titans_core.evaluation.cells import length_name, wilson

Result = dict[str, Any]

KINDS = ("other", "invented", "malformed")
CELL, TALL = 104, 82
LEFT = 64
NARROWEST = 600
MOST = 10_000  # cells
NOTE = "Each cell: share right, right of n, its 95 % Wilson interval, wrong answers by kind."
MEANING = "other: another value of the text; invented: none of the text; malformed: no value at all"


def grids(asked: dict[str, Any], results: Sequence[Result]) -> str:
    """A block a memory: length to the right, depth down. A cell that was not filled is grey.

    Raises ValueError for what are no cells.
    """
    lengths, depths = sorted({one["length"] for one in results}), sorted({one["depth"] for one in results})
    if len(lengths) * len(depths) > MOST:
        raise ValueError(f"{len(lengths)} lengths and {len(depths)} depths are more than {MOST:,} cells")
    width = max(NARROWEST, LEFT + CELL * len(lengths) + svg.RIGHT)
    told = f"Needle grid: task {asked['task']}, control {asked['control']}, {asked['n']} texts a cell"
    parts = [svg.text(LEFT, 20, told), svg.text(LEFT, 40, NOTE, "tick"), svg.text(LEFT, 56, MEANING, "tick")]
    parts.append(svg.scale_bar(width - 50, 12, "0 %", "100 %", "m"))
    top, rows = 96.0, []
    for name in dict.fromkeys(one["checkpoint"] for one in results):
        own = {(one["length"], one["depth"]): one for one in results if one["checkpoint"] == name}
        parts.append(svg.text(LEFT, top - 10, label(name), "strong"))
        parts.append(svg.text(LEFT - 8, top - 10, "depth", "tick", "end"))
        for row, depth in enumerate(depths):
            y = top + row * TALL
            parts.append(svg.text(LEFT - 8, y + TALL / 2, f"{depth:.0%}".replace("%", " %"), "tick", "end"))
            for column, length in enumerate(lengths):
                parts += _cell(own.get((length, depth)), LEFT + column * CELL, y)
        top += len(depths) * TALL
        parts += [
            svg.text(LEFT + (column + 0.5) * CELL, top + 14, length_name(length), "tick", "middle")
            for column, length in enumerate(lengths)
        ]
        parts.append(svg.text(LEFT - 8, top + 14, "tokens", "tick", "end"))
        rows.append(f"{label(name)} {_summary(own.values(), lengths)}")
        top += 62
    return svg.chart(parts, top - 40, f"{told}. Right, by tokens of text: {'; '.join(rows)}.", width)


def _cell(one: Result | None, x: float, y: float) -> list[str]:
    box = f'x="{x + 1:.0f}" y="{y + 1:.0f}" width="{CELL - 2}" height="{TALL - 2}"'
    if one is None:
        return [f'<rect class="empty" {box}/>']
    right, n = int(one["right"]), int(one["n"])
    low, high = wilson(right, n)
    step = int(svg.level(np.array(right / n), 0, 1))
    wrong = [f"{one['kinds'][kind]:d} {kind}" for kind in KINDS if one["kinds"].get(kind)]
    lines = [f"{right:,} of {n:,}", f"{100 * low:.0f} to {100 * high:.0f} %", *wrong]
    middle = x + CELL / 2
    return [
        f'<rect class="m{step}" {box}/>',
        svg.text(middle, y + 19, f"{100 * right / n:.0f} %", f"strong i{step}", "middle"),
        *(svg.text(middle, y + 33 + 12.5 * k, words, f"small i{step}", "middle") for k, words in enumerate(lines)),
    ]


def _summary(cells: Any, lengths: Sequence[int]) -> str:
    told = []
    for length in lengths:
        own = [one for one in cells if one["length"] == length]
        right, n = (sum(one[name] for one in own) for name in ("right", "n"))
        told += [f"{length_name(length)} {right:,} of {n:,}"] if own else []
    return ", ".join(told)
