"""The figures of docs/performance.md from a record of `titans bench`, drawn with app.exports.svg."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from app.exports import svg
from app.exports.plot import legend
from app.exports.standalone import named, standalone
from app.theme import label
from titans_core.bench.spread import Row, Spread, measured, rounded, spread
from titans_core.bench.tables import PRECISIONS

Record = dict[str, Any]
Bar = tuple[str, bool, Spread]  # name, whether it is ours, and how long the bar is
NAMES, NUMBERS = 230, 90  # widths left for names and for numbers
BAR = 20
FULL = "full attention"


def memory(record: Record) -> bytes:
    """Tokens/s of one layer, a bar each, with lines from the slowest to the fastest round."""
    groups: dict[str, list[Bar]] = {}
    for row in filter(measured, record["parts"]["memory"]):
        ours = row["name"].startswith(("memory_scan", "our "))
        speeds = spread([row["tokens"] / seconds for seconds in row["seconds"]])
        groups.setdefault(f"{row['mode']}, {PRECISIONS[row['precision']]}", []).append((row["name"], ours, speeds))
    title = f"Tokens a second that one layer reads on {record['device']}, by what reads them"
    return _bars(groups, "tokens a second, logarithmic; lines from the slowest to the fastest round", title)


def roofline(record: Record) -> bytes:
    """FLOP/s of this machine's products and of the memory, a bar each."""
    groups: dict[str, list[Bar]] = {}
    for row in record["parts"]["roofline"][1:]:
        if measured(row) and "flops" in row:
            ours = row["kind"] == "path"
            rates = spread([row["flops"] / seconds for seconds in row["seconds"]])
            name = f"memory_scan, {row['name']}" if ours else row["name"]
            groups.setdefault(PRECISIONS[row["precision"]], []).append((name, ours, rates))
    return _bars(
        groups,
        "FLOP/s, logarithmic; lines from the slowest to the fastest round",
        f"FLOP/s of products and of the memory on {record['device']}",
    )


def _bars(groups: dict[str, list[Bar]], unit: str, title: str) -> bytes:
    """One below the other on a logarithmic axis; ours in a colour of their own."""
    spreads = [values for bars in groups.values() for *_, values in bars]
    low = math.floor(math.log10(min(values.low for values in spreads)))
    high = math.ceil(math.log10(max(values.high for values in spreads)))
    bottom = 8.0 + sum(24 + BAR * len(bars) for bars in groups.values())

    def across(value: float) -> float:
        return NAMES + (math.log10(value) - low) / max(high - low, 1) * (svg.WIDTH - NAMES - NUMBERS)

    parts: list[str] = []
    for power in range(low, high + 1):
        x = across(10.0**power)
        parts += [svg.rule(x, 28, x, bottom), svg.text(x, bottom + 14, _power(power), "tick", "middle")]
    y = 8.0
    for words, bars in groups.items():
        y += 24
        parts.append(svg.text(NAMES, y - 8, words, "name"))
        for name, ours, values in bars:
            slow, x, fast = map(across, values)
            wide = f'width="{x - NAMES:.1f}" height="{BAR - 5}"'
            parts += [
                svg.text(NAMES - 8, y + 12, name, "tick", "end"),
                f'<rect class="r{0 if ours else 1}" x="{NAMES}" y="{y:.1f}" {wide}/>',
                svg.rule(slow, y + 8, fast, y + 8, "zero"),
                svg.text(fast + 6, y + 12, rounded(values.middle), "tick"),
            ]
            y += BAR
    parts.append(svg.text(svg.WIDTH - 4, bottom + 32, unit, "tick", "end"))
    return standalone(svg.chart(parts, bottom + 40, title), named(["mal", "transformer"], ["ours", "others"]))


def growth(record: Record) -> bytes:
    """Tokens/s by how many tokens of one text were read before, a line a model, both axes logarithmic."""
    models: dict[str, Sequence[Row]] = {name: points for name, points in record["models"].items() if points}
    every = [point for points in models.values() for point in points]
    first, last = (extreme(point["tokens"] for point in every) for extreme in (min, max))
    low, high = (math.log10(extreme(point["speed"] for point in every)) for extreme in (min, max))
    low, high = math.floor(low), math.ceil(high)
    top, bottom = 70.0, 330.0
    wide = svg.WIDTH - svg.LEFT - svg.RIGHT

    def x(tokens: float) -> float:
        return svg.LEFT + math.log(tokens / first) / math.log(max(last / first, 2)) * wide

    def y(value: float) -> float:
        return bottom - (math.log10(value) - low) / max(high - low, 1) * (bottom - top)

    labels = [name if name == FULL else label(name) for name in models]
    parts = [svg.text(svg.LEFT, 20, "Tokens a second there, by tokens read before", "name")]
    parts += legend(44, [(f"r{k}", words) for k, words in enumerate(labels)])
    for power in range(low, high + 1):
        at = y(10.0**power)
        parts += [svg.rule(svg.LEFT, at, svg.WIDTH - svg.RIGHT, at)]
        parts += [svg.text(svg.LEFT - 6, at + 4, _power(power), "tick", "end")]
    for tokens in sorted({point["tokens"] for point in every}):
        anchor = "end" if tokens == last else "start" if tokens == first else "middle"
        parts.append(svg.text(x(tokens), bottom + 16, f"{tokens:,}", "tick", anchor))
    for k, points in enumerate(models.values()):
        xs = np.array([x(point["tokens"]) for point in points])
        ys = np.array([y(point["speed"]) for point in points])
        parts.append(svg.line(xs, ys, f"r{k}"))
        parts += [f'<circle class="r{k}" cx="{a:.1f}" cy="{b:.1f}" r="2.6"/>' for a, b in zip(xs, ys, strict=True)]
    title = f"Tokens a second on {record['device']} by the tokens of a text that were read before, a line a model"
    return standalone(svg.chart(parts, bottom + 30, title), named(list(models), labels))


def _power(power: int) -> str:
    """10 ** power, not negative: "100K"."""
    return f"{10 ** (power % 3)}{' KMGTPE'[power // 3].strip()}"
