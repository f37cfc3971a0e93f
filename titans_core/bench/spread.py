"""Speeds and ratios of rows, and how numbers are said. Needs no torch."""

from __future__ import annotations

from statistics import median
from typing import Any, NamedTuple

Row = dict[str, Any]
NONE = "–"


class Spread(NamedTuple):
    """Over rounds."""

    low: float
    middle: float
    high: float

    def __str__(self) -> str:
        form = ",.0f" if self.middle >= 100 else ".1f" if self.middle >= 10 else ".2f"
        return f"{self.middle:{form}} ({self.low:{form}} to {self.high:{form}})"


def spread(values: list[float]) -> Spread:
    return Spread(min(values), median(values), max(values))


def measured(row: Row) -> bool:
    return bool(row.get("seconds")) and "missing" not in row


def speed(row: Row) -> float:
    """Tokens a second, of the median round."""
    return float(row["tokens"] / median(row["seconds"]))


def ratios(row: Row, reference: Row) -> Spread:
    """Time a token of `row` over that of `reference`, round by round: what hit one hit the other."""
    pairs = zip(row["seconds"], reference["seconds"], strict=True)
    scale = (reference["tokens"] or 1) / (row["tokens"] or 1)
    return spread([scale * a / b for a, b in pairs])


def rate(row: Row) -> float:
    """FLOPs a second of the median round."""
    return float(row["flops"] / median(row["seconds"]))


def rounded(value: float) -> str:
    """Three figures: 12,300,000 is "12.3M"."""
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "K")):
        if abs(value) >= size:
            scaled = value / (1e3 if letter == "K" else size)
            return f"{scaled:.{max(0, 2 - len(str(int(abs(scaled)))) + 1)}f}{letter}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def per_second(value: float, unit: str) -> str:
    """12,300,000 is "12.3 MFLOP/s"."""
    said = rounded(value)
    return f"{said[:-1]} {said[-1]}{unit}" if said[-1].isalpha() else f"{said} {unit}"


def share(value: float) -> str:
    return f"{100 * value:,.0f} %"


def size(value: float | None) -> str:
    """Bytes."""
    if value is None:
        return NONE
    return f"{value / 2**30:.2f} GiB" if abs(value) >= 2**30 else f"{value / 2**20:,.1f} MiB"
