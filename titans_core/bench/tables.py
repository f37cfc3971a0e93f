"""The tables of a run of `titans bench`, from its rows alone: for the terminal and for docs/performance.md."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from titans_core.bench.spread import NONE, Row, measured, per_second, rate, ratios, rounded, share, size, speed, spread

_KINDS = {
    "memory alone": "The memory alone, with its signals and without",
    "whole model": "Whole models, with signals and without",
    "traced": "Traced, and merely read",
}
PRECISIONS = {"highest": "IEEE float32", "high": "TF32", "medium": "bf16 products"}


@dataclass(frozen=True)
class Table:
    """cells: rows of as many strings as headers. words: the columns that are no numbers. notes: sentences."""

    title: str
    headers: Sequence[str]
    cells: Sequence[Sequence[str]]
    notes: Sequence[str] = ()
    words: Sequence[int] = (0,)

    def text(self) -> str:
        """For a terminal."""
        rows = [self.headers, *self.cells]
        wide = [max(len(row[k]) for row in rows) for k in range(len(self.headers))]
        lines = [
            "  ".join(
                cell.ljust(w) if place in self.words else cell.rjust(w)
                for place, (cell, w) in enumerate(zip(row, wide, strict=True))
            )
            for row in rows
        ]
        rule = "-" * len(lines[0])
        return "\n".join([self.title, lines[0].rstrip(), rule, *(line.rstrip() for line in lines[1:]), *self.notes])

    def markdown(self) -> str:
        rule = ["---" if place in self.words else "---:" for place in range(len(self.headers))]
        lines = [self.headers, rule, *self.cells]
        table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        return "\n\n".join([f"**{self.title}**", table, *self.notes])


def tables(part: str, record: dict[str, Any]) -> list[Table]:
    """Of one part of a record."""
    rows = record["parts"][part]
    made = {
        "memory": memory,
        "roofline": roofline,
        "signals": signals,
        "trace": traces,
        "training": training,
    }
    return growth(rows, record.get("models", {})) if part == "growth" else made[part](rows)


def memory(rows: Sequence[Row]) -> list[Table]:
    found = []
    headers = ("one layer", "tokens/s", "times our time a token", "peak")
    for (precision, mode), group in _groups(rows, "precision", "mode"):
        first = group[0]
        cells = [
            (row["name"], rounded(speed(row)), str(ratios(row, first)) if row is not first else "1", size(row["peak"]))
            if measured(row)
            else (row["name"], NONE, NONE, NONE)
            for row in group
        ]
        found.append(Table(f"{mode.capitalize()}, {PRECISIONS[precision]}", headers, cells, _missing(group)))
    return found


def includes(rows: Sequence[Row]) -> list[str]:
    """What a call of the memory's rows does; those that do alike together."""
    alike: dict[str, dict[str, None]] = {}
    for row in filter(measured, rows):
        alike.setdefault(row["includes"], {})[row["name"]] = None
    return [f"{'; '.join(names)}: {words}." for words, names in alike.items()]


def roofline(rows: Sequence[Row]) -> list[Table]:
    counts, *timed = rows
    found = []
    for (precision,), group in _groups(timed, "precision"):
        machine = [row for row in group if row["kind"] == "machine"]
        words = PRECISIONS[precision]
        floors = _floors(counts, machine)
        found.append(Table(f"This machine's own rates, {words}", ("", "rate", "tokens/s at most"), floors))
        products = [row for row in machine if "flops" in row and measured(row)]
        paths = [row for row in group if row["kind"] == "path" and measured(row)]
        cells = [
            (row["name"], rounded(speed(row)), rounded(rate(row)), *(share(rate(row) / rate(p)) for p in products))
            for row in paths
        ]
        headers = ("memory_scan", "tokens/s", "FLOP/s", *(f"of {row['short']}" for row in products))
        found.append(Table(f"Reached by the memory, {words}", headers, cells))
    return found


def _floors(counts: Row, machine: Sequence[Row]) -> list[tuple[str, ...]]:
    cells: list[tuple[str, ...]] = []
    for row in filter(measured, machine):
        if "flops" in row:
            cells.append((row["name"], per_second(rate(row), "FLOP/s"), rounded(rate(row) / counts["forward_flops"])))
        else:
            bandwidth = row["bytes"] / spread(row["seconds"]).middle
            cells.append((row["name"], per_second(bandwidth, "B/s"), rounded(bandwidth / counts["moved_bytes"])))
    large = next((row for row in machine if row["name"] == "one large product" and measured(row)), None)
    if large is not None and counts["processors"] > counts["memories"]:
        part = rate(large) * counts["memories"] / counts["processors"]
        words = f"its rate on {counts['memories']} of {counts['processors']} processors, one a memory"
        cells.insert(3, (words, per_second(part, "FLOP/s"), rounded(part / counts["forward_flops"])))
    return cells


def signals(rows: Sequence[Row]) -> list[Table]:
    found = []
    for (kind,), group in _groups(rows, "kind"):
        cells = []
        for (name, precision), pair in _groups(group, "group", "precision"):
            first = pair[0]
            for row in pair:
                times = str(ratios(row, first)) if measured(row) and row is not first else "1" if row is first else NONE
                cells.append((f"{name}, {PRECISIONS[precision]}", row["name"], *_speed(row), times))
        headers = ("", "run", "tokens/s", "times the time without")
        found.append(Table(_KINDS[kind], headers, cells, _missing(group), words=(0, 1)))
    return found


def traces(rows: Sequence[Row]) -> list[Table]:
    cells = [
        (row["name"], f"{row['tokens']:,}", f"{spread(row['seconds']).middle:.2f}", *_speed(row), size(row["peak"]))
        for row in rows
    ]
    headers = ("full trace, from text to store", "tokens", "seconds", "tokens/s", "peak")
    return [Table("Traces", headers, cells, sorted({row["note"] for row in rows if "note" in row}))]


def training(rows: Sequence[Row]) -> list[Table]:
    yardstick = next((row for row in rows if row["name"] == "transformer"), None)
    cells = []
    for row in rows:
        times = str(ratios(row, yardstick)) if yardstick else NONE
        ready = f"{row['ready']:.1f}"
        cells.append(
            (f"{row['name']}, {row['parameters']:,} parameters", *_speed(row), times, ready, size(row["peak"]))
        )
    title = f"Training steps of {rows[0]['tokens']:,} tokens in windows of {rows[0]['window']:,}"
    headers = ("", "tokens/s", "times the transformer's", "first step, s", "peak")
    return [Table(title, headers, cells)]


def growth(rows: Sequence[Row], models: dict[str, list[Row]]) -> list[Table]:
    cells = []
    for row in rows:
        ratio = f"{row['ratio']:.3f}" if row.get("ratio") is not None else NONE
        tokens = f"{row['tokens']:,}" if measured(row) else NONE
        grown = size(row.get("grown"))
        cells.append((f"{row['name']}, {row['kind']}", tokens, *_speed(row), ratio, grown, size(row.get("state"))))
    headers = ("", "tokens", "tokens/s", "last quarter / first", "RAM grown", "carried")
    notes = [*_missing(rows), *sorted({row["note"] for row in rows if "note" in row})]
    lengths = sorted({point["tokens"] for points in models.values() for point in points})
    speeds = [
        (name, *(rounded({p["tokens"]: p["speed"] for p in points}.get(n, 0)) if n else "" for n in lengths))
        for name, points in models.items()
    ]
    speeds = [(name, *(NONE if cell == "0" else cell for cell in row)) for name, *row in speeds]
    return [
        Table("One long text", headers, cells, notes),
        Table("Tokens/s there, by tokens read", ("", *(f"{n:,}" for n in lengths)), speeds),
    ]


def _speed(row: Row) -> tuple[str]:
    return (rounded(speed(row)),) if measured(row) else (NONE,)


def _missing(rows: Iterable[Row]) -> list[str]:
    return [f"{row['name']}: {row['missing']}." for row in rows if "missing" in row]


def _groups(rows: Iterable[Row], *names: str) -> list[tuple[tuple[str, ...], list[Row]]]:
    """In the order of their first rows."""
    order = list(dict.fromkeys(tuple(row[name] for name in names) for row in rows))
    return [(key, [row for row in rows if tuple(row[name] for name in names) == key]) for key in order]
