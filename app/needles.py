"""The cells of a needle grid as plain values: made by app.probing.grid, drawn by app.figures.needle_grid.

A cell: length (tokens of a text), depth (0 to 1), n, right, rate, low, high (Wilson's 95 % interval), kinds (how many
of each of KINDS), seconds (that reading took), texts (of each text the `kind` of its answer, the `needle`, its `value`,
and what was `said`).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from titans_core.evaluation.cells import wilson

Cell = dict[str, Any]
SEED = 0  # of the grids of the page
_ADDRESS = re.compile(
    r"(?P<task>[a-z]+)\.(?P<haystack>[a-z]+)\.(?P<lengths>\d{1,8}(-\d{1,8}){0,15})\.(?P<depths>\d{1,3}(-\d{1,3}){0,15})\.(?P<n>\d{1,3})"
)

RIGHT, WRONG, MISSING, INVENTED = KINDS = ("right", "wrong value", "missing", "invented")


def cell(length: int, depth: float, texts: Sequence[dict[str, str]], seconds: float) -> Cell:
    """A filled cell, from what was said in each of its texts. Raises ConfigError for none."""
    counts = Counter(text["kind"] for text in texts)
    n, right = len(texts), counts[RIGHT]
    low, high = wilson(right, n)
    return {
        "length": length,
        "depth": depth,
        "n": n,
        "right": right,
        "rate": right / n,
        "low": low,
        "high": high,
        "kinds": {kind: counts[kind] for kind in KINDS},
        "seconds": seconds,
        "texts": list(texts),
    }


def adds_up(found: Any, length: int, depth: float, n: int) -> bool:
    """Whether this is a cell of n texts of this length and depth, whose numbers are those of its texts."""
    try:
        texts = found["texts"]
        known = all(text["kind"] in KINDS for text in texts)
        whole = all(isinstance(text[name], str) for text in texts for name in ("needle", "value", "said"))
        return (
            known
            and whole
            and len(texts) == n
            and math.isfinite(found["seconds"])
            and found == cell(length, depth, texts, found["seconds"])
        )
    except (KeyError, TypeError):
        return False


def given(options: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    """The options as those of a probe."""
    return tuple(sorted((name, tuple(value) if isinstance(value, list) else value) for name, value in options.items()))


def address(options: dict[str, Any]) -> str:
    """The options of a grid in the address of a page: number.document.2048-4096.0-50-100.5"""
    lengths = "-".join(map(str, options["lengths"]))
    percent = "-".join(f"{100 * depth:.0f}" for depth in options["depths"])
    return ".".join([options["task"], options["haystack"], lengths, percent, str(options["n"])])


def from_address(text: str) -> dict[str, Any]:
    """What `address` wrote; {} for anything else. The seed is not in it. What it names may be no grid all the same."""
    found = _ADDRESS.fullmatch(text)
    if found is None:
        return {}
    lengths, percent = ([int(part) for part in found[name].split("-")] for name in ("lengths", "depths"))
    depths = [value / 100 for value in percent]
    return {**found.groupdict(), "lengths": lengths, "depths": depths, "n": int(found["n"])}
