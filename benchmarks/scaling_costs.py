"""Tables of docs/scaling.md that say what was measured: traces, runs, training, dashboards and stores."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from benchmarks.scaling_figures import MEMORIES, Record, Straight, by_model, device, parts, speeds, straight
from titans_core.bench.spread import rounded

NOT = "not measured"
DASHBOARD_CORES = 2


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Markdown; columns after the first are numbers."""
    lines = [" | ".join(head), " | ".join(["---"] + ["---:"] * (len(head) - 1))]
    return "\n".join(f"| {line} |" for line in [*lines, *(" | ".join(map(str, row)) for row in rows)])


def traces(found: Record, given: Record, names: dict[str, str]) -> str:
    """Long texts, by device and model."""
    cpu = parts(found["bench"], cuda=False).get("trace", [])
    gpu = parts(found["bench"], cuda=True).get("trace", [])
    cores = found["bench"][0]["threads"] if not found["bench"][0]["cuda"] else DASHBOARD_CORES
    longest = {m: max(rows, key=lambda row: row["tokens"]) for m, rows in by_model(found["runs"]["runs"])}
    one_core = {m: row["tokens"] / median(row["seconds"]) for m, row in longest.items()}
    rows = [
        *rates(names["core"], one_core, given["core_price"]),
        *rates(device(found["bench"], cuda=False), speeds(cpu), cores * given["core_price"]),
        *rates(names["gpu"], speeds(gpu), given["gpu_price"]),
    ]
    return table(["", "tokens/s", "device-seconds a million tokens", "USD a million tokens"], rows)


def rates(where: str, by_name: dict[str, float], price: float) -> list[list[str]]:
    """price: of the device, USD an hour."""
    if not by_name:
        return [[f"{where}: {', '.join(MEMORIES)}", NOT, NOT, NOT]]
    return [
        [f"{where}: {name}", rounded(rate), f"{1e6 / rate:,.3g}", money(1e6 / rate / 3600 * price)]
        for name, rate in by_name.items()
    ]


def runs(lines: dict[str, dict[str, Straight]], measured: dict[str, Straight], names: dict[str, str]) -> str:
    every = {"core": measured, "gpu": lines["gpu"]}
    rows = [
        [f"{names[d]}: {model}", f"{line.fixed:.2f} s", f"{1e6 * line.each:,.3g} s", f"{line.at(1_600):.2f} s"]
        for d, each in every.items()
        for model, line in each.items()
    ]
    missing = [[f"{names['gpu']}: {', '.join(MEMORIES)}", NOT, NOT, NOT]] if not lines["gpu"] else []
    return table(["", "fixed", "each million tokens", "a run of 1,600 tokens"], [*rows, *missing])


def gpu_note(found: Record, lines: dict[str, dict[str, Straight]], names: dict[str, str]) -> str:
    gpu = names["gpu"]
    if found["gpu_runs"]:
        return f"Runs on {gpu} were measured in the same way (`{found['gpu_runs']['command']}`)."
    if lines["gpu"]:
        return (
            f"On {gpu} only long traces were measured (`titans bench --part trace`). The fixed part is taken from the "
            "CPU, as it is the host's work (the store, its manifest, the ledger). **Both together were not run.**"
        )
    return (
        f"**Traces were not measured on {gpu} yet**, so nothing below says how many of them runs need. "
        "`titans bench --part trace --out assets/measured/bench-gpu-trace.json` there, and this page made again, "
        "fills them in."
    )


def training(found: Record, given: Record) -> str:
    rows = []
    for cuda, price in ((False, given["core_price"] * DASHBOARD_CORES), (True, given["gpu_price"])):
        rows += rates(
            device(found["bench"], cuda=cuda), speeds(parts(found["bench"], cuda=cuda).get("training", [])), price
        )
    whole = [
        [name, known["device"], f"{known['tokens'] / 1e6:,.0f} million", f"{known['seconds'] / 60:.1f}",
         f"{1e6 * known['seconds'] / known['tokens']:.2f}", money(known["seconds"] / 3600 * given["gpu_price"])]
        for name, known in found["trained"].items()
    ]  # fmt: skip
    steps = table(["steps", "tokens/s", "device-seconds a million tokens", "USD a million tokens"], rows)
    head = ["checkpoint", "on", "tokens", "minutes", "device-seconds a million tokens", "USD at the assumed price"]
    return steps + "\n\n" + table(head, whole)


def memory_line(loads: Sequence[Record]) -> Straight | None:
    """Bytes of a dashboard's process by its sessions."""
    points = [(load["sessions"], 1e6 * load["memory_mb"]["server"]["most"]) for load in loads]
    return straight(points) if len(points) > 1 else None


def cores(load: Record) -> float:
    """Cores that a dashboard's process used."""
    return float(load["core_seconds"]["server"] / load["seconds"])


def load_table(loads: Sequence[Record]) -> str:
    head = ["sessions", "widgets, 95 in 100", "runs", "memory of the server", "cores of the server", "used by others"]
    rows = [
        [
            load["sessions"],
            f"{load['widgets']['p95_s']:.2f} s",
            load["counts"]["runs asked for"],
            size(1e6 * load["memory_mb"]["server"]["most"]),
            f"{cores(load):.2f}",
            f"{load['core_seconds']['all_others'] / load['seconds']:.2f} of {load['core_seconds']['cores']} cores",
        ]
        for load in loads
    ]
    return table(head, rows)


def load_line(loads: Sequence[Record]) -> str:
    line = memory_line(loads)
    if line is None:
        return "Memory by sessions is not measured."
    most = max(load["sessions"] for load in loads)
    each = straight([(load["sessions"], cores(load)) for load in loads])
    return (
        f"So a dashboard takes {size(line.fixed)} and {size(line.each)} a session, and {each.each:.3f} of a core a "
        f"session that is that busy, up to {most} sessions."
    )


def stores(measured: Sequence[Record]) -> str:
    rows = []
    for model, each in by_model(measured):
        line, last = straight([(r["tokens"], r["stored"]) for r in each]), max(each, key=lambda r: r["tokens"])
        rows.append(
            [
                model,
                *(
                    size(line.fixed),
                    size(last["memory"]),
                    f"{line.each:,.0f}",
                    size(line.at(1_600)),
                    size(line.at(1e6)),
                ),
                *(f"{100 * last['pyramid'] / last['stored']:.1f} %", f"{each[0]['files']:,} to {last['files']:,}"),
            ]
        )
    head = ["", "fixed", "of it the memory", "bytes a token", "a run of 1,600 tokens", "a million tokens"]
    return table([*head, "pyramid, of 100,000", "files"], rows)


def size(value: float) -> str:
    """Bytes, in decimal units."""
    for unit, letters in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "KB")):
        if value >= unit:
            return f"{value / unit:,.3g} {letters}" if value < 1e3 * unit else f"{value / unit:,.0f} {letters}"
    return f"{value:.0f} bytes"


def money(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}" if value >= 1 else f"{value:.2g}"
