"""The figures of a report as SVG: the same numbers as the page draws, without a browser."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from app import naming
from app.exports import svg
from app.exports.names import View
from app.figures import aggregate, layers, timelines, token
from app.theme import SIGNALS, number
from titans_core.pyramid import Bins, bins

ROW = 92
LAYER = 22
WANTED = 800  # bins across


def through_time(traces: Sequence[xr.Dataset], view: View) -> str:
    """A row a signal, a line a run; each row has one vertical scale from zero."""
    rows = timelines.drawn(traces)
    total = traces[0].sizes["token"]
    parts = []
    for k, name in enumerate(rows):
        parts.append(_row(traces, name, view, 22 + k * (ROW + 22)))
    bottom = 22 + len(rows) * (ROW + 22) - 22
    parts.append(svg.token_axis(bottom, total))
    if view.token is not None:
        x = float(svg.place(view.token, total))
        parts.append(svg.rule(x, 22, x, bottom, "mark"))
    parts.append(_legend(traces))
    return svg.chart(parts, bottom + 38, timelines.summary(traces, view.layer))


def note(traces: Sequence[xr.Dataset], view: View) -> str:
    """Of which layers the rows are, and what they leave out: inside a bin, and starts that are cut off."""
    first = timelines.drawn(traces)[0]
    layer = aggregate.layer_words(next(ds for ds in traces if first in ds), first, view.layer)
    wide = -(-traces[0].sizes["token"] // WANTED)
    parts = [f"{layer.capitalize()}."]
    parts += [f"Lines are the highest, bands reach down to the lowest of every {wide:,} tokens."] if wide > 1 else []
    reached = {name: timelines.reach(traces, name, view.layer) for name in timelines.drawn(traces)}
    cut = [f"{SIGNALS[name].label.lower()} {number(high)}" for name, (top, high) in reached.items() if high > top]
    return " ".join([*parts, *([f"Starts above the scale: {', '.join(cut)}."] if cut else [])])


def _row(traces: Sequence[xr.Dataset], name: str, view: View, top: float) -> str:
    reach, _ = timelines.reach(traces, name, view.layer)
    high = 1.05 * reach if reach > 0 else 1.0
    parts = [svg.text(svg.LEFT, top - 6, f"{SIGNALS[name].label.lower()} {SIGNALS[name].symbol}", "name")]
    for tick in svg.ticks(0, high):
        y = top + ROW * (1 - tick / high)
        parts += [
            svg.rule(svg.LEFT, y, svg.WIDTH - svg.RIGHT, y),
            svg.text(svg.LEFT - 6, y + 4, number(tick), "tick", "end"),
        ]
    for k, ds in enumerate(traces):
        if name in ds:
            parts.append(_line(bins(ds, name, layer=view.layer, wanted=WANTED), k, top, high, ds.sizes["token"]))
    return "".join(parts)


def _line(found: Bins, run: int, top: float, high: float, total: int) -> str:
    """The mean of each bin as a line; where bins are wider than a token, over a band from lowest to highest."""

    def y(values: np.ndarray) -> np.ndarray:
        return top + ROW * (1 - np.clip(values, 0, high) / high)

    x = svg.place((found.start + found.stop - 1) / 2, total)
    line = svg.line(x, y(found.mean), f"r{run}")
    if (found.stop - found.start).max() == 1:
        return line
    return svg.band(x, y(found.min), y(found.max), f"r{run}") + line


def _legend(traces: Sequence[xr.Dataset]) -> str:
    if len(traces) == 1:
        return ""
    parts, x = [], float(svg.WIDTH - svg.RIGHT)
    for k in reversed(range(len(traces))):
        words = naming.of(traces[k])
        x -= 8.0 * len(words) + 30
        parts.append(f'<path class="line wide r{k}" d="M{x:.1f} 12h16"/>' + svg.text(x + 21, 16, words, "tick"))
    return "".join(parts)


def layer_map(traces: Sequence[xr.Dataset], view: View) -> str:
    """Layers by tokens of the chosen signal, the first layer lowest, the highest of each bin; "" without layers."""
    shown = layers.layered(traces, view.signal)
    if not shown:
        return ""
    blocks = [bins(ds, view.signal, layer="each", wanted=aggregate.BINS) for ds in shown]
    limits = layers.layer_scale(shown, view.signal, aggregate.width(blocks[0]))
    css = "d" if SIGNALS[view.signal].kind == "cosine" else "m"
    total = shown[0].sizes["token"]
    parts, y = [], 34.0
    for ds, found in zip(shown, blocks, strict=True):
        parts.append(svg.text(svg.LEFT, y - 6, naming.of(ds), "name"))
        edges = svg.place(np.append(found.start, total) - 0.5, total)
        for k, row in reversed(list(enumerate(found.max))):
            parts.append(svg.text(svg.LEFT - 6, y + 15, f"L{k + 1}", "tick", "end"))
            parts.append(svg.cells(svg.level(row, limits.low, limits.high), edges, y, LAYER - 1, css))
            y += LAYER
        y += 24
    y -= 24
    parts += [
        svg.scale_bar(svg.WIDTH - 60, 10, number(limits.low), number(limits.high), css),
        svg.token_axis(y, total),
    ]
    return svg.chart(parts, y + 38, layers.summary(shown, view.signal))


def layer_note(traces: Sequence[xr.Dataset], view: View) -> str:
    """The scale of the layer map and how much of the text it draws, as the page says it; "" without layers."""
    shown = layers.layered(traces, view.signal)
    if not shown:
        return ""
    found = bins(shown[0], view.signal, layer="each", wanted=aggregate.BINS)
    return layers.note(shown[0], view.signal, found, layers.layer_scale(shown, view.signal, aggregate.width(found)))


def moves(traces: Sequence[xr.Dataset], view: View) -> str:
    """What moved the memory at the selected token: stacked norms, a bar a run; "" where nothing did."""
    shown = token.moving(traces)
    if view.token is None or all(token.still(ds, view.token, view.layer) for ds in shown):
        return ""
    sizes = [[aggregate.at(ds, name, view.token, view.layer) for name in token.MOVES] for ds in shown]
    most = max((sum(v for v in row if np.isfinite(v)) for row in sizes), default=0.0) or 1.0
    wide = svg.WIDTH - svg.LEFT - svg.RIGHT
    parts, y = [], 6.0
    for ds, row in zip(shown, sizes, strict=True):
        x = float(svg.LEFT)
        parts.append(svg.text(svg.LEFT - 6, y + 15, naming.of(ds), "tick", "end"))
        for name, size in zip(token.MOVES, row, strict=True):
            if np.isfinite(size):
                w = size / most * wide
                parts.append(f'<rect class="s-{name}" x="{x:.1f}" y="{y:.0f}" width="{w:.1f}" height="20"/>')
                x += w
        y += 26
    for k, name in enumerate(token.MOVES):
        at = svg.LEFT + 190 * k
        parts.append(f'<rect class="s-{name}" x="{at}" y="{y + 6:.0f}" width="10" height="10"/>')
        parts.append(svg.text(at + 15, y + 15, f"{token.MOVE_WORDS[name]} {SIGNALS[name].symbol}", "tick"))
    summary = token.summary(shown, view.token, view.layer)
    return svg.chart(parts, y + 24, summary)
