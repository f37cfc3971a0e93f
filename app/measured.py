"""What was measured of the shipped memories, as it lies in the files that ship: read, never computed here."""

from __future__ import annotations

import functools
import json
from typing import Any

from app import theme
from titans_core.assets import ROOT, checkpoint_names

Row = dict[str, Any]
NEEDLES = {"passkey": "pass-key", "number": "number", "word": "word"}


@functools.cache
def _evaluation(checkpoint: str) -> dict[str, Any]:
    path = ROOT / "checkpoints" / checkpoint / "evaluation.json"
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def evaluated() -> list[str]:
    """The shipped checkpoints with an evaluation beside them."""
    return [name for name in checkpoint_names() if (ROOT / "checkpoints" / name / "evaluation.json").is_file()]


def recall(control: str) -> list[Row]:
    """One row a memory, kind of needle and length in tokens: right of n, rate with its Wilson interval.

    control: "live"; "absent", where the text lacks the needle, has `invented` too: how many were invented confidently.
    """
    return [
        {"memory": theme.label(name), "checkpoint": name}
        | {key: cell[key] for key in ("task", "length", "n", "right", "rate", "low", "high", "invented") if key in cell}
        for name in evaluated()
        for cell in _evaluation(name)["cells"]
        if cell["task"] in NEEDLES and cell["control"] == control
    ]


@functools.cache
def measured(name: str) -> dict[str, Any] | None:
    """A file of assets/measured; None where it does not ship."""
    path = ROOT / "measured" / f"{name}.json"
    if not path.is_file():
        return None
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def kept() -> list[Row]:
    """One row a memory and sample: what benchmarks/what_is_kept.py found."""
    record = measured("keeping")
    rows: list[Row] = record["rows"] if record else []
    return [row | {"memory": theme.label(row["checkpoint"])} for row in rows]


def grown() -> list[Row]:
    """One row a model and length: what `titans bench` found; seconds for one token there, and bytes carried."""
    record = measured("growth")
    return [
        {"memory": theme.label(name), "checkpoint": name, "seconds_a_token": 1 / point["speed"]} | point
        for name, points in (record["models"] if record else {}).items()
        for point in points
    ]
