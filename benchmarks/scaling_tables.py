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
    cores,
    dashboard_memory,
    gpu_note,
    load_table,
    money,
    real_table,
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
from titans_core.bench.spread import rounded, share

TEMPLATE = Path(__file__).with_name("scaling.md")
WEEK = 7
PROMISED = "**What is said of the {} is for the speed that is promised of it, not for a measured one.**\n"


def note(found: dict[str, Any], kept: dict[str, Any], assumed: Sequence[Field[Any]]) -> str:
    """docs/scaling.md. found: scaling.sources(); kept: scaling.queue(); assumed: the fields of scaling.Assumptions."""
    given = kept["assumptions"]
    texts = Texts(given["median"], given["spread"], given["longest"])
    lines = {d: {m: Straight(**line) for m, line in each.items()} for d, each in kept["seconds"].items()}
    works = {d: Work(texts, each, given["several"]) for d, each in lines.items()}
    stored = mean(run_bytes(found["runs"]["runs"])[model].at(texts.mean) for model in MEMORIES)
    gpu = device(found["bench"], cuda=True)
    names = {"core": "CPU worker, 1 core", "gpu": gpu + ", as promised" * (kept["gpu"] == "promised")}
    measured = run_seconds(found["runs"]["runs"])
    off = max(
        furthest_off(measured[model], [(row["tokens"], median(row["seconds"])) for row in rows])
        for model, rows in by_model(found["runs"]["runs"])
    )
    press = ", ".join(f"{work.a_press:.2f} s on {names[d]}" for d, work in works.items())
    loads = sorted(found["loads"], key=lambda load: (load["sessions"], load["seconds"]))
    filled = {
        "short": short(found, kept, names, stored),
        "promised": PROMISED.format(gpu) * (kept["gpu"] == "promised"),
        "a_job": a_job(works, given, names),
        "assumptions": assumptions(given, assumed),
        "traces": traces(found, given, names | {"gpu": gpu}),
        "runs": runs(lines, measured, names),
        "gpu_note": gpu_note(found, kept["gpu"], gpu),
        "training": training(found, given),
        "queue": queue(kept, names),
        "real": real_table(found["real"]),
        "loads": load_table(loads),
        "memory": size(dashboard_memory(loads)),
        "growth": f"{max(loads, key=lambda load: load['seconds'])['memory_mb']['server']['a_minute']:+.1f}",
        "core_share": f"{max(cores(load) / load['sessions'] for load in loads):.3f}",
        "worker": f"{max(load['memory_mb']['workers']['most'] for load in loads):,.0f} MB",
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
    }
    return string.Template(TEMPLATE.read_text("utf-8")).substitute(filled)


def planned(row: Record, busy: float) -> int:
    """Devices that keep the promise and are not busy for more than this share of the time."""
    return max(row["devices"], math.ceil(row["utilisation"] * row["devices"] / busy))


def dashboards(people: int, sessions: int) -> int:
    return -(-people // sessions)


def short(found: Record, kept: Record, names: dict[str, str], stored: float) -> str:
    """What each number of people needs. A dashboard is a process, so it counts with one core."""
    given, rows = kept["assumptions"], kept["rows"]
    memory, core = dashboard_memory(found["loads"]), given["core_price"]
    cells = []
    for row, on_gpus in zip(rows["core"], rows["gpu"], strict=True):
        boards = dashboards(row["people"], given["sessions"])
        workers, gpus = planned(row, given["busy"]), planned(on_gpus, given["busy"])
        cells.append(
            [
                f"{row['people']:,}",
                f"{workers:,}",
                f"{gpus:,}",
                f"{boards:,}",
                size(boards * memory),
                size(stored * row["rate"] * 3600 * given["hours"] * WEEK),
                money((workers + boards) * core),
                money(gpus * given["gpu_price"] + boards * core),
            ]
        )
    head = ["people at work", "CPU workers, a core each", f"or {names['gpu']}", "dashboards", "their memory"]
    return table([*head, "results of a week", "USD an hour with cores", "with GPUs"], cells)


def a_job(works: dict[str, Work], given: Record, names: dict[str, str]) -> str:
    """What a job costs by its seconds alone, and how much of it is not reading."""
    prices, said = {"core": given["core_price"], "gpu": given["gpu_price"]}, []
    for where, work in works.items():
        seconds = work.a_press / work.jobs
        fixed = mean(line.fixed for line in work.seconds.values()) / seconds
        cost = money(1e6 * seconds / 3600 * prices[where])
        said.append(f"{cost} USD on {names[where]} ({seconds:.2f} s each, {share(fixed)} of it whatever the length)")
    return " and ".join(said)


def assumptions(given: Record, assumed: Sequence[Field[Any]]) -> str:
    rows = [[one.metadata["words"], f"{given[one.name]:,.10g}", f"`--{one.name.replace('_', '-')}`"] for one in assumed]
    return table(["assumed", "value", "option"], rows)


def queue(kept: Record, names: dict[str, str]) -> str:
    """A table a device."""
    head = ["people at work", "devices", "busy", "β", "planned", "wait p50", "p95", "p99", "results p95", "refused"]
    busy = kept["assumptions"]["busy"]
    return "\n\n".join(
        f"**{names[where]}**\n\n{table(head, [queue_row(row, busy) for row in rows])}"
        for where, rows in kept["rows"].items()
    )


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
                rounded(row["rate"]),
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
    at_once = ", ".join(f"{bits(8 * a_run * row['rate'])} for {row['people']:,}" for row in kept["rows"]["core"])
    return (
        table(["tokens of the run", "bytes", "per 100,000 tokens"], rows)
        + f"\n\nThat is {size(a_run)} a job in the mean, or {at_once} people, if every result is looked at. "
        "Other traffic (what widgets say and are told) is not measured."
    )


def bits(value: float) -> str:
    """Bits a second."""
    return f"{value / 1e9:,.3g} Gbit/s" if value >= 1e9 else f"{value / 1e6:,.3g} Mbit/s"
