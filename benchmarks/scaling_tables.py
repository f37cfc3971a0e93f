"""docs/scaling.md from its words, benchmarks/scaling.md, and its tables of what was simulated."""

from __future__ import annotations

import math
import string
from collections.abc import Sequence
from dataclasses import Field
from pathlib import Path
from statistics import mean, median
from typing import Any

from app.jobs import store
from app.jobs.line import EACH, MOST
from benchmarks.queueing import HELD
from benchmarks.scaling_costs import (
    DASHBOARD_CORES,
    NOT,
    gpu_note,
    load_line,
    load_table,
    memory_line,
    money,
    runs,
    size,
    stores,
    table,
    traces,
    training,
)
from benchmarks.scaling_figures import (
    MEMORIES,
    Record,
    Straight,
    Texts,
    Work,
    by_model,
    device,
    furthest_off,
    run_bytes,
    run_seconds,
    straight,
)

TEMPLATE = Path(__file__).with_name("scaling.md")
WEEK = 7


def note(found: dict[str, Any], kept: dict[str, Any], assumed: Sequence[Field[Any]]) -> str:
    """docs/scaling.md. found: scaling.sources(); kept: scaling.queue(); assumed: the fields of scaling.Assumptions."""
    given = kept["assumptions"]
    texts = Texts(given["median"], given["spread"], given["longest"])
    lines = {d: {m: Straight(**line) for m, line in each.items()} for d, each in kept["seconds"].items()}
    works = {d: Work(texts, each, given["several"]) for d, each in lines.items() if each}
    stored = mean(run_bytes(found["runs"]["runs"])[model].at(texts.mean) for model in MEMORIES)
    names = {"core": "CPU worker, 1 core", "gpu": device(found["bench"], cuda=True)}
    measured = run_seconds(found["runs"]["runs"])
    off = max(
        furthest_off(measured[model], [(row["tokens"], median(row["seconds"])) for row in rows])
        for model, rows in by_model(found["runs"]["runs"])
    )
    press = ", ".join(f"{work.a_press:.2f} s on {names[d]}" for d, work in works.items())
    loads = sorted(found["loads"], key=lambda load: load["sessions"])
    filled = {
        "short": short(found, kept, names, stored),
        "assumptions": assumptions(given, assumed),
        "traces": traces(found, given, names),
        "runs": runs(lines, measured, names),
        "gpu_note": gpu_note(found, lines, names),
        "training": training(found, given),
        "queue": queue(kept, works, names),
        "loads": load_table(loads),
        "load_line": load_line(loads),
        "worker": f"{max(load['memory_mb']['workers']['most'] for load in loads):,.0f} MB" if loads else NOT,
        "stores": stores(found["runs"]["runs"]),
        "kept": keeping(kept, stored),
        "wire": wire(found["explore"], texts, kept),
        "stored": size(stored),
        "explore": found["explore"]["command"] if found["explore"] else "python benchmarks/explore_speed.py",
        "mean": f"{texts.mean:,.0f}",
        "above": f"{100 * texts.share_above(1e5):.1f} %",
        "jobs": f"{next(iter(works.values())).jobs:g}",
        "press": press,
        "off": f"{100 * off:.0f} %",
        "busy": f"{100 * given['busy']:.0f} %",
        "sessions": str(given["sessions"]),
        "each": str(EACH),
        "most": str(MOST),
        "held": str(HELD),
        "warm": f"{kept['warm']:,.0f}",
        "presses": f"{kept['presses']:,}",
        "minutes": f"{kept['minutes']:.0f} minutes",
    }
    return string.Template(TEMPLATE.read_text("utf-8")).substitute(filled)


def planned(row: Record, busy: float) -> int:
    """Devices that keep the promise and are not busy for more than this share of the time."""
    return max(row["devices"], math.ceil(row["utilisation"] * row["devices"] / busy))


def dashboards(people: int, sessions: int) -> int:
    return -(-people // sessions)


def short(found: Record, kept: Record, names: dict[str, str], stored: float) -> str:
    """What each number of people needs."""
    given, rows = kept["assumptions"], kept["rows"]
    prices = {"core": given["core_price"], "gpu": given["gpu_price"]}
    by_people = {device: {row["people"]: row for row in each} for device, each in rows.items()}
    head = [
        "people at work",
        f"{names['core']}s",
        f"or {names['gpu']}s",
        "dashboards",
        "their memory",
        "results a week",
    ]
    cells = []
    for people, row in by_people["core"].items():
        boards = dashboards(people, given["sessions"])
        line, beside = memory_line(found["loads"]), boards * DASHBOARD_CORES * given["core_price"]
        there = {d: planned(each[people], given["busy"]) for d, each in by_people.items() if people in each}
        cells.append(
            [
                f"{people:,}",
                *(f"{there[d]:,}" if d in there else NOT for d in ("core", "gpu")),
                f"{boards:,}",
                size(boards * line.at(given["sessions"])) if line else NOT,
                size(stored * row["rate"] * 3600 * given["hours"] * WEEK),
                *(money(there[d] * prices[d] + beside) if d in there else NOT for d in ("core", "gpu")),
            ]
        )
    return table([*head, "USD an hour with cores", "with GPUs"], cells)


def assumptions(given: Record, assumed: Sequence[Field[Any]]) -> str:
    rows = [[one.metadata["words"], f"{given[one.name]:,g}", f"`--{one.name.replace('_', '-')}`"] for one in assumed]
    return table(["assumed", "value", "option"], rows)


def queue(kept: Record, works: dict[str, Work], names: dict[str, str]) -> str:
    """A table a device."""
    busy, blocks = kept["assumptions"]["busy"], []
    for where, rows in kept["rows"].items():
        blocks.append(f"**{names[where]}**" if rows else f"**{names[where]}**: {NOT}.")
        if rows:
            head = [
                "people at work",
                "devices",
                "busy",
                "β",
                "planned",
                "wait p50",
                "p95",
                "p99",
                "results p95",
                "refused",
            ]
            blocks.append(table(head, [queue_row(row, busy) for row in rows]))
    return "\n\n".join(blocks)


def queue_row(row: Record, busy: float) -> list[str]:
    load = row["utilisation"] * row["devices"]
    return [
        f"{row['people']:,}",
        f"{row['devices']:,}",
        f"{100 * row['utilisation']:.0f} %",
        f"{(row['devices'] - load) / math.sqrt(load):.1f}",
        f"{planned(row, busy):,}",
        *(interval(row["waits"][q]) for q in ("50", "95", "99")),
        interval(row["results"]["95"]),
        f"{100 * row['refused']['value']:.2g} %",
    ]


def interval(estimate: Record) -> str:
    return f"{estimate['value']:.2f} ± {estimate['half']:.2f} s"


def keeping(kept: Record, stored: float) -> str:
    """What seven days make, and how long the default keeps a run."""
    given, rows = kept["assumptions"], []
    for row in kept["rows"]["core"]:
        boards = dashboards(row["people"], given["sessions"])
        a_second = row["rate"] * stored
        rows.append(
            [
                f"{row['people']:,}",
                f"{row['rate']:,.3g}",
                size(a_second * 3600 * given["hours"] * WEEK),
                size(boards * store.MAX_BYTES),
                f"{boards * store.MAX_BYTES / a_second / 3600:.1f} h",
            ]
        )
    return table(
        ["people at work", "jobs a second", "seven days of results", "kept by default", "so a run lives"], rows
    )


def wire(explore: Record | None, texts: Texts, kept: Record) -> str:
    if explore is None:
        return "Not measured."
    points = [(row["tokens"], row["wire"]) for row in explore["rows"]]
    rows = [[f"{tokens:,}", size(wired), size(wired / tokens * 1e5)] for tokens, wired in points]
    a_run = straight(points).at(texts.mean)
    at_once = ", ".join(
        f"{8e-6 * a_run * row['rate']:,.3g} Mbit/s for {row['people']:,}" for row in kept["rows"]["core"]
    )
    return (
        table(["tokens of the run", "bytes", "per 100,000 tokens"], rows)
        + f"\n\nThat is {size(a_run)} a job in the mean, or {at_once} people, if every result is looked at. "
        "Other traffic (what widgets say and are told) is not measured."
    )
