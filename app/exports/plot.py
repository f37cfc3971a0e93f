"""A plot over tokens on a logarithmic axis, as parts of a chart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.exports import svg
from app.theme import signed

CLOSE = 6  # of the 960 of a chart's width


@dataclass(frozen=True)
class Plot:
    """top, height: in the chart. low, high: ends of the values. first, last: ends of the tokens, first at least 1."""

    top: float
    height: float
    low: float
    high: float
    first: float
    last: float

    @property
    def bottom(self) -> float:
        return self.top + self.height

    def x(self, tokens: np.ndarray | float) -> np.ndarray:
        """Tokens before the first are drawn at its place."""
        spread = np.log(max(self.last, self.first + 1) / self.first)
        share = np.log(np.maximum(np.asarray(tokens, float), self.first) / self.first) / spread
        return svg.LEFT + share * (svg.WIDTH - svg.LEFT - svg.RIGHT)

    def y(self, values: np.ndarray | float) -> np.ndarray:
        share = (np.asarray(values, float) - self.low) / (self.high - self.low)
        return self.bottom - share * self.height

    def frame(self, name: str, form: str = ".1f") -> list[str]:
        """Name, and lines at round values, that of zero darker. To be drawn before the lines."""
        wide = svg.WIDTH - svg.LEFT - svg.RIGHT
        box = f'<rect x="{svg.LEFT}" y="{self.top - 1:.1f}" width="{wide}" height="{self.height + 2:.1f}"/>'
        parts = [f'<clipPath id="{self._clip}">{box}</clipPath>', svg.text(svg.LEFT, self.top - 8, name, "name")]
        for tick in svg.ticks(self.low, self.high):
            y = float(self.y(tick))
            parts.append(svg.rule(svg.LEFT, y, svg.WIDTH - svg.RIGHT, y, "grid" if tick else "zero"))
            parts.append(svg.text(svg.LEFT - 6, y + 4, signed(tick, form), "tick", "end"))
        return parts

    def axis(self, words: str) -> list[str]:
        """Numbers of tokens below, and what they count."""
        decades = [n for k in range(12) for n in (10**k, 3 * 10**k) if self.first <= n <= self.last]
        end = svg.WIDTH - svg.RIGHT
        at = [(n, float(self.x(n))) for n in decades]
        places = [
            svg.text(min(x, end), self.bottom + 16, f"{n:,}", "tick", "middle" if x < end - 24 else "end")
            for n, x in at
        ]
        return [*places, svg.text(svg.WIDTH - svg.RIGHT, self.bottom + 34, words, "tick", "end")]

    def line(self, tokens: np.ndarray, values: np.ndarray, css: str) -> str:
        """As far as it is within the frame."""
        return f'<g clip-path="url(#{self._clip})">{svg.line(self.x(tokens), self.y(values), css)}</g>'

    def means(self, tokens: np.ndarray, values: np.ndarray, css: str, *, band: bool = False) -> str:
        """A line of the means of what lies close together. band: with the area from the lowest to the highest."""
        place = np.floor((self.x(tokens) - svg.LEFT) / CLOSE)
        starts = np.flatnonzero(np.diff(place, prepend=-1))
        sizes = np.diff(np.append(starts, len(tokens)))
        middle, mean = (np.add.reduceat(one, starts) / sizes for one in (self.x(tokens), values))
        drawn = svg.line(middle, self.y(mean), css)
        if band:
            low, high = (self.y(part.reduceat(values, starts)) for part in (np.minimum, np.maximum))
            drawn = svg.band(middle, low, high, css) + drawn
        return f'<g clip-path="url(#{self._clip})">{drawn}</g>'

    @property
    def _clip(self) -> str:
        return f"plot{self.top:.0f}"


def legend(y: float, entries: Sequence[tuple[str, str]]) -> list[str]:
    """(class of a line, words) from left to right."""
    parts, x = [], float(svg.LEFT)
    for css, words in entries:
        parts.append(f'<path class="line {css}" d="M{x:.1f} {y - 4:.1f}h20"/>' + svg.text(x + 26, y, words, "tick"))
        x += 6.4 * len(words) + 48
    return parts
