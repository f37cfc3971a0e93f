"""Write docs/performance.md and its figures from what `titans bench` measured.

python -m tools.performance [FILE.json ...]    (default: assets/measured/bench-*.json)

What was measured on a CPU in several files is taken together, and likewise what was measured on a GPU.
"""

from __future__ import annotations

import json
import re
import string
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from titans_core.bench import bars
from titans_core.bench.spread import measured, per_second, rate, share, size, spread
from titans_core.bench.tables import PRECISIONS, includes, tables
from tools import performance_figures

Record = dict[str, Any]
ROOT = Path(__file__).parents[1]
STORED = sorted((ROOT / "assets" / "measured").glob("bench-*.json"))
FIGURES: dict[str, Callable[[Record], bytes]] = {
    "memory": performance_figures.memory,
    "roofline": performance_figures.roofline,
    "growth": performance_figures.growth,
}
SHOWS = {
    "memory": "Tokens a second of one layer",
    "roofline": "Rates of matrix products and of the memory",
    "growth": "Tokens a second by length",
}


# the note, and passages of it that are there once a device or precision: NAME, then a text with $placeholders
_PARTS = re.split(
    r"^<!-- passage: (\w+) -->\n", (ROOT / "tools" / "performance.md").read_text("utf-8"), flags=re.MULTILINE
)
_TEXTS = {"note": _PARTS[0], **dict(zip(_PARTS[1::2], (text.strip() for text in _PARTS[2::2]), strict=True))}


def main(given: Sequence[str]) -> None:
    paths = [Path(path) for path in given] or STORED
    for name, data in made([json.loads(path.read_text("utf-8")) for path in paths]).items():
        path = ROOT / "docs" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        print(path.relative_to(ROOT))


def made(records: Sequence[Record]) -> dict[str, bytes]:
    """Files below docs. records: at least one, each with the parts that were measured."""
    if not records or any(record["quick"] for record in records):
        raise SystemExit("give what `titans bench --out FILE` wrote, without --quick")
    records = _merged(records)
    files = {
        _figure(part, record): draw(record)
        for record in records
        for part, draw in FIGURES.items()
        if part in record["parts"]
    }
    note = _filled(
        "note",
        memory=_blocks(["memory"], records),
        roofline=_blocks(["roofline"], records),
        signals=_blocks(["signals", "trace"], records),
        training=_blocks(["training"], records),
        growth=_blocks(["growth"], records),
        machines="\n".join(["| | |", "| --- | --- |", *(_machine(record) for record in records)]),
        bars="\n\n".join(f"{_heading(record)}\n\n{_untitled(bars.table(record).markdown())}" for record in records),
        includes="\n".join(f"- {words}" for words in includes(records[0]["parts"].get("memory", []))),
        counted=_counted(records),
    )
    return {"performance.md": (note.strip() + "\n").encode(), **files}


def _merged(records: Sequence[Record]) -> list[Record]:
    """One record of a CPU and one of a GPU, those that are there: with the parts and commands of all."""
    found: dict[bool, Record] = {}
    for record in records:
        before = found.get(record["cuda"], {"parts": {}})
        if before.get("device", record["device"]) != record["device"]:
            raise SystemExit(f"{before['device']} and {record['device']} are different devices; measure on one")
        commands = [*before.get("commands", []), record["command"]]
        parts = {**before["parts"], **record["parts"]}
        found[record["cuda"]] = {**before, **record, "parts": parts, "commands": commands}
    return [found[cuda] for cuda in sorted(found)]


def _device(record: Record) -> str:
    return str(record["device"] if record["cuda"] else f"{record['device']}, {record['processor']}")


def _heading(record: Record) -> str:
    return f"### {_device(record)}"


def _machine(record: Record) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    how = f"{record['threads']} threads, load {record['load']:.1f}; " if not record["cuda"] else ""
    commands = ", ".join(f"`{command}`" for command in record["commands"])
    said = f"{how}torch {record['torch']}, {versions}; {record['when'][:10]}; {commands}"
    return f"| {_device(record)} | {said} |"


def _figure(part: str, record: Record) -> str:
    return f"figures/performance-{part}-{'gpu' if record['cuda'] else 'cpu'}.svg"


def _blocks(parts: Sequence[str], records: Sequence[Record]) -> str:
    """Parts of every record that has them: their figures and tables."""
    found = []
    for record in records:
        there = [part for part in parts if part in record["parts"]]
        found += [_heading(record)] * bool(there)
        for part in there:
            if part in FIGURES:
                found.append(f"![{SHOWS[part]} on {_device(record)}]({_figure(part, record)})")
            found += [table.markdown() for table in tables(part, record)]
            found += _rest(record) if part == "roofline" else []
    return "\n\n".join(found) or "Not measured yet."


def _untitled(markdown: str) -> str:
    return markdown.partition("\n\n")[2]


def _counted(records: Sequence[Record]) -> str:
    counts = next((record["parts"]["roofline"][0] for record in records if "roofline" in record["parts"]), None)
    if counts is None:
        return "Not measured yet."
    flops, moved, carried = counts["forward_flops"], counts["moved_bytes"], counts["carried_bytes"]
    lines = ["| FLOPs of a token, forward | | share |", "| --- | ---: | ---: |"]
    lines += [f"| {what} | {value:,.0f} | {share(value / flops)} |" for what, value in counts["purposes"].items()]
    return _filled(
        "counted",
        flops=f"{flops:,.0f}",
        moved=f"{moved:,.0f}",
        carried=f"{carried:,.0f}",
        intensity=f"{flops / moved:,.0f}",
        less=f"{flops / (moved + carried):,.0f}",
        purposes="\n".join(lines),
    )


def _filled(name: str, **values: str) -> str:
    """A passage of tools/performance.md."""
    return string.Template(_TEXTS[name]).substitute(values)


def _rest(record: Record) -> list[str]:
    """How much of a forward pass is arithmetic at the machine's rates, and how much is not."""
    counts, *rows = record["parts"]["roofline"]
    said = []
    for precision in dict.fromkeys(row["precision"] for row in rows):
        own = {row["name"]: row for row in rows if row["precision"] == precision and measured(row)}
        forward, large = own.get("forward"), own.get("one large product")
        products = [row for name, row in own.items() if "of a pass" in name]
        if forward is None or large is None or not products:
            continue
        best = max(products, key=rate)
        busy = min(1.0, counts["memories"] / counts["processors"]) if counts["processors"] else 1.0
        seconds = spread(forward["seconds"]).middle
        arithmetic = counts["forward_flops"] * forward["tokens"] / (rate(large) * busy)
        alone = spread(best["seconds"]).middle
        said.append(
            _filled(
                "rest",
                precision=PRECISIONS[precision],
                tokens=f"{forward['tokens']:,}",
                milliseconds=f"{seconds * 1e3:.2f}",
                where=f" on {counts['memories']} of {counts['processors']} processors" if busy < 1 else "",
                arithmetic=f"{arithmetic * 1e3:.2f}",
                share=share(arithmetic / seconds),
                products=best["name"],
                alone=f"{alone * 1e3:.2f}",
                alone_share=share(alone / seconds),
                peak=size(forward["peak"]),
                rate=per_second(rate(forward), "FLOP/s"),
            )
        )
    return said


if __name__ == "__main__":
    main(sys.argv[1:])
