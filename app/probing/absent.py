"""What a checkpoint does where the needle asked for is not in the text, as measured by `titans eval`. No torch here."""

from __future__ import annotations

import json
import math
from typing import Any

from app import memories
from app.measured import NEEDLES
from titans_core.evaluation.cells import wilson


def absent(checkpoint: str, tokens: int) -> list[dict[str, Any]]:
    """One row a kind of needle, of the measured length that is nearest to `tokens`; none where it was not measured.

    length: of the texts, in tokens; n of them. named: in how many it named a value of the right form that stands
    nowhere in the text, with the rate's Wilson interval low to high; confident: with a mean probability over 0.5.
    """
    try:
        found = json.loads((memories.folder(checkpoint) / "evaluation.json").read_text("utf-8"))
        if found["weights_sha256"] != memories.weights(checkpoint):
            return []
        cells = [cell for cell in found["cells"] if cell["control"] == "absent" and cell["task"] in NEEDLES]
        return [_row(_nearest([cell for cell in cells if cell["task"] == task], tokens)) for task in _tasks(cells)]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _tasks(cells: list[dict[str, Any]]) -> list[str]:
    return [task for task in NEEDLES if any(cell["task"] == task for cell in cells)]


def _nearest(cells: list[dict[str, Any]], tokens: int) -> dict[str, Any]:
    return min(cells, key=lambda cell: abs(math.log(max(tokens, 1) / cell["length"])))


def _row(cell: dict[str, Any]) -> dict[str, Any]:
    named, n = int(cell["kinds"].get("invented", 0)), int(cell["n"])
    low, high = wilson(named, n)
    kept = {name: cell[name] for name in ("task", "length")} | {"confident": int(cell["invented"])}
    return kept | {"n": n, "named": named, "rate": named / n, "low": low, "high": high}
