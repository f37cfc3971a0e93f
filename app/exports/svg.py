"""Small charts as SVG text, drawn without a browser. Colours are classes, so that one file fits light and dark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import numpy as np

WIDTH = 960
LEFT, RIGHT = 56, 10
LEVELS = 32  # steps of a colour scale


def level(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Steps 0..LEVELS-1 of a scale, int; -1 where a value is NaN. Infinite values are at the ends."""
    span = high - low
    with np.errstate(invalid="ignore"):
        steps = np.clip((np.asarray(values, np.float64) - low) / span, 0, 1) * (LEVELS - 1)
    return np.where(np.isnan(steps), -1, np.rint(np.nan_to_num(steps))).astype(int)


def ticks(low: float, high: float, about: int = 4) -> list[float]:
    """Round numbers within low..high, about `about` of them."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return []
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * k for k in (1, 2, 5, 10) if power * k >= rough)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [k * step for k in range(first, last + 1)]


def place(index: np.ndarray | float, total: int) -> np.ndarray:
    """x of tokens (from 0) along an axis of `total` tokens."""
    return LEFT + (np.asarray(index, float) + 0.5) / max(total, 1) * (WIDTH - LEFT - RIGHT)


def line(x: np.ndarray, y: np.ndarray, css: str) -> str:
    """A polyline; it is interrupted where y is not finite."""
    parts, pen = [], "M"
    for a, b in zip(x, y, strict=True):
        if math.isfinite(b):
            parts.append(f"{pen}{a:.1f} {b:.1f}")
            pen = "L"
        else:
            pen = "M"
    return f'<path class="line {css}" d="{"".join(parts)}"/>' if parts else ""


def band(x: np.ndarray, low: np.ndarray, high: np.ndarray, css: str) -> str:
    """The area between two lines, without the places where either is not finite."""
    known = np.isfinite(low) & np.isfinite(high)
    there = [f"{a:.1f} {b:.1f}" for a, b in zip(x[known], high[known], strict=True)]
    back = [f"{a:.1f} {b:.1f}" for a, b in zip(x[known][::-1], low[known][::-1], strict=True)]
    return f'<path class="band {css}" d="M{"L".join(there + back)}z"/>' if there else ""


def text(x: float, y: float, words: str, css: str = "", anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{css}" text-anchor="{anchor}">{escape(words)}</text>'


def rule(x1: float, y1: float, x2: float, y2: float, css: str = "grid") -> str:
    return f'<path class="{css}" d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}"/>'


def token_axis(y: float, total: int) -> str:
    """Token numbers, from 1 as on the page, under a plot that ends at `y`."""
    marks = [int(t) for t in ticks(1, total, 8) if t >= 1 and t == int(t)]
    return "".join(text(float(place(t - 1, total)), y + 16, f"{t:,}", "tick", "middle") for t in marks) + text(
        WIDTH - RIGHT, y + 32, "token", "tick", "end"
    )


def cells(steps: np.ndarray, x: np.ndarray, top: float, height: float, css: str) -> str:
    """One row of a map: steps (n,) of cells whose edges are x (n+1,). Neighbours of one colour are drawn as one."""
    by_step: dict[int, list[str]] = {}
    begin = 0
    for k in range(1, len(steps) + 1):
        if k < len(steps) and steps[k] == steps[begin]:
            continue
        if steps[begin] >= 0:
            left, right = round(float(x[begin]), 1), round(float(x[k]), 1)  # so that neighbours share their edge
            wide = right - left
            by_step.setdefault(int(steps[begin]), []).append(
                f"M{left:.1f} {top:.1f}h{wide:.1f}v{height:.1f}h-{wide:.1f}z"
            )
        begin = k
    return "".join(f'<path class="{css}{step}" d="{"".join(d)}"/>' for step, d in sorted(by_step.items()))


def scale_bar(x: float, y: float, low: str, high: str, css: str, wide: float = 120) -> str:
    """The colours of a scale between the words for its ends. `x` is its right end."""
    edges = x - wide + np.arange(LEVELS + 1) * wide / LEVELS
    return (
        text(x - wide - 6, y + 7, low, "tick", "end")
        + cells(np.arange(LEVELS), edges, y, 7, css)
        + text(x + 6, y + 7, high, "tick")
    )


def chart(parts: Sequence[str], height: float, title: str, width: float = WIDTH) -> str:
    """The whole figure; `title` says in a sentence what it shows."""
    return (
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" role="img"><title>{escape(title)}</title>{"".join(parts)}</svg>'
    )
