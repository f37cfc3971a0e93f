"""The table of a sweep: a row a cell in the order of its plan, so the same whoever measured what, and when."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from titans_core import sheets
from titans_core.interventions import written
from titans_core.sweeps.cells import FORMAT, Cell, Compare, Needle
from titans_core.sweeps.loop import Outcome

_RATE = ("n", "right", "rate", "low", "high", "bits")
_KINDS = ("incomplete", "other", "invented", "malformed")
_COLUMNS = {
    "needle": ("checkpoint", "haystack", "task", "control", "length", "depth", "seed", *_RATE, *_KINDS, "failed"),
    "evaluate": (
        *("checkpoint", "task", "length", "control", "seed", *_RATE, "token_rate", "majority", "random", "perplexity"),
        *("invented", "documents", "bits_per_byte", "bits_per_token", "late_bits_per_token", "failed"),
    ),
    "compare": (
        *("document", "checkpoint", "changed", "against", "signal", "layer", "unit", "places", "value", "low", "high"),
        *("top", "overlap", "chance", "saved", "won", "lost", "failed"),
    ),
}


def rows(cells: Sequence[Cell], outcomes: Mapping[str, Outcome], names: Mapping[str, str]) -> list[list[Any]]:
    """For CSV, the names of the columns first; None where there is nothing to say. outcomes: by the cells' keys."""
    columns = _COLUMNS[cells[0].kind]
    told = [_row(cell, outcomes[cell.key], names) for cell in cells]
    return [list(columns), *([row.get(name) for name in columns] for row in told)]


def _row(cell: Cell, outcome: Outcome, names: Mapping[str, str]) -> dict[str, Any]:
    row = {**cell.to_dict(), **(outcome.result or {}), "failed": outcome.failed or None}
    row["checkpoint"] = names[cell.model.weights]
    if isinstance(cell, Needle):
        row |= {"haystack": names[cell.haystack], **dict.fromkeys(_KINDS, 0), **row.get("kinds", {})}
    if isinstance(cell, Compare):
        row |= {"document": names[cell.document], "against": names[cell.against.weights]}
        row["changed"] = ", ".join(written(cell.settings)) or None
    return row


def as_csv(table: Sequence[Sequence[Any]]) -> bytes:
    file = io.StringIO(newline="")
    sheets.write(file, table)
    return file.getvalue().encode()


def as_json(cells: Sequence[Cell], outcomes: Mapping[str, Outcome], names: Mapping[str, str]) -> bytes:
    """All of every cell and result. names: what people call what cells name by sha256."""
    listed = [
        {"key": cell.key, "cell": cell.to_dict(), "result": one.result, "failed": one.failed or None}
        for cell in cells
        for one in [outcomes[cell.key]]
    ]
    document = {"format": FORMAT, "kind": cells[0].kind, "names": dict(names), "cells": listed}
    return json.dumps(document, indent=1, allow_nan=False).encode() + b"\n"


def as_text(table: Sequence[Sequence[Any]]) -> str:
    """In columns; without those in which nothing stands."""
    shown = [i for i in range(len(table[0])) if any(row[i] is not None for row in table[1:])]
    cells = [[_cell(row[i]) for i in shown] for row in table]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells
    )


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return "" if value is None else str(value)
