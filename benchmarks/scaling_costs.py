"""Tables of docs/scaling.md that say what was measured: traces, runs, training, dashboards and stores."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from benchmarks.scaling_figures import MEMORIES, Record, Straight, by_model, device, parts, speeds, straight
from titans_core.bench.spread import rounded

NOT = "not measured"


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Markdown; columns after the first are numbers."""
    lines = [" | ".join(head), " | ".join(["---"] + ["---:"] * (len(head) - 1))]
    return "\n".join(f"| {line} |" for line in [*lines, *(" | ".join(map(str, row)) for row in rows)])


def traces(found: Record, given: Record, names: dict[str, str]) -> str:
    """Long texts, by device and model."""
    cpu = parts(found["bench"], cuda=False).get("trace", [])
    gpu = parts(found["bench"], cuda=True).get("trace", [])
    longest = {m: max(rows, key=lambda row: row["tokens"]) for m, rows in by_model(found["runs"]["runs"])}
    one_core = {m: row["tokens"] / median(row["seconds"]) for m, row in longest.items()}
    rows = [
        *rates(names["core"], one_core, given["core_price"]),
        *rates(device(found["bench"], cuda=False), speeds(cpu), bench_cores(found) * given["core_price"]),
        *rates(names["gpu"], speeds(gpu), given["gpu_price"]),
    ]
    return table(["", "tokens/s", "device-seconds a million tokens", "USD a million tokens"], rows)


def bench_cores(found: Record) -> int:
    """Cores of the machine that `titans bench` ran on."""
    return next((int(record["threads"]) for record in found["bench"] if not record["cuda"]), 1)


def rates(where: str, by_name: dict[str, float], price: float) -> list[list[str]]:
    """price: of the device, USD an hour."""
    if not by_name:
        return [[f"{where}: {', '.join(MEMORIES)}", NOT, NOT, NOT]]
    return [
        [f"{where}: {name}", rounded(rate), f"{1e6 / rate:,.3g}", money(1e6 / rate / 3600 * price)]
        for name, rate in by_name.items()
    ]


def runs(lines: dict[str, dict[str, Straight]], measured: dict[str, Straight], names: dict[str, str]) -> str:
    rows = [
        [f"{names[d]}: {model}", f"{line.fixed:.2f} s", f"{1e6 * line.each:,.3g} s", f"{line.at(1_600):.2f} s"]
        for d, each in {"core": measured, "gpu": lines["gpu"]}.items()
        for model, line in each.items()
    ]
    return table(["", "fixed", "each million tokens", "a run of 1,600 tokens"], rows)


def gpu_note(found: Record, known: str, gpu: str) -> str:
    """How the seconds of a run on a GPU are known."""
    if known == "runs":
        return f"Runs on {gpu} were measured in the same way (`{found['gpu_runs']['command']}`)."
    fixed = "the fixed part is taken from the CPU, as it is the host's work (the store, its manifest, the ledger)"
    if known == "traces":
        return (
            f"On {gpu} only long traces were measured (`titans bench --part trace`); {fixed}. "
            "**Both together were not run.**"
        )
    return (
        f"**No trace was measured on {gpu}.** What is said of it below is for the speed that is promised of MAC in "
        f"[performance.md](performance.md), for all three; {fixed}. `python -m benchmarks.scaling_measured --device "
        "cuda` there, and this page made again, puts what is measured in its place."
    )


def training(found: Record, given: Record) -> str:
    rows = []
    for cuda, price in ((False, bench_cores(found) * given["core_price"]), (True, given["gpu_price"])):
        rows += rates(
            device(found["bench"], cuda=cuda), speeds(parts(found["bench"], cuda=cuda).get("training", [])), price
        )
    whole = [
        [name, known["device"], f"{known['tokens'] / 1e6:,.0f} million", f"{known['seconds'] / 60:.1f}",
         f"{1e6 * known['seconds'] / known['tokens']:.2f}", money(known["seconds"] / 3600 * given["gpu_price"])]
        for name, known in found["trained"].items()
    ]  # fmt: skip
    steps = table(["steps", "tokens/s", "device-seconds a million tokens", "USD a million tokens"], rows)
    head = ["checkpoint", "on", "tokens", "minutes", "device-seconds a million tokens", "USD at the price of a GPU"]
    return steps + "\n\n" + table(head, whole)


def real_table(real: Record | None) -> str:
    """The product's queue beside its simulation."""
    if real is None:
        return "The product's own queue was not measured beside it."
    names = {"presses": "presses", "utilisation": "busy", "mean": "mean wait, s", "95": "wait p95, s"}
    rows = []
    for key, words in names.items():
        days = real["simulated"][key]
        form = ".0f" if key == "presses" else ".2f"
        inside = f"{median(days):{form}} ({min(days):{form}} to {max(days):{form}})"
        rows.append([words, f"{real['real'][key]:{form}}", inside])
    days = len(real["simulated"]["mean"])
    return (
        f"And it was set beside the product's own engine and worker: {real['people']} people for {real['minutes']:g} "
        f"minutes, who think {real['think']:g} s, on one core of a machine with other work; simulated with the seconds "
        f"that their jobs took (`{real['command']}`).\n\n"
        + table(["", "the product", f"simulated, median of {days} days (lowest to highest)"], rows)
    )


def cores(load: Record) -> float:
    """Cores that a dashboard's process used."""
    return float(load["core_seconds"]["server"] / load["seconds"])


def load_table(loads: Sequence[Record]) -> str:
    head = [
        "sessions",
        "minutes",
        "widgets, 95 in 100",
        "runs",
        "memory of the server",
        "cores of the server",
        "used by others",
    ]
    rows = [
        [
            load["sessions"],
            f"{load['seconds'] / 60:g}",
            f"{load['widgets']['p95_s']:.2f} s",
            load["counts"]["runs asked for"],
            size(1e6 * load["memory_mb"]["server"]["most"]),
            f"{cores(load):.2f}",
            f"{load['core_seconds']['all_others'] / load['seconds']:.2f} of {load['core_seconds']['cores']} cores",
        ]
        for load in loads
    ]
    return table(head, rows)


def dashboard_memory(loads: Sequence[Record]) -> float:
    """The most bytes that a dashboard's process was seen to take."""
    return 1e6 * max(load["memory_mb"]["server"]["most"] for load in loads)


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
                f"{100 * last['pyramid'] / last['stored']:.1f} %",
            ]
        )
    head = ["", "fixed", "of it the memory", "bytes a token", "a run of 1,600 tokens", "a million tokens"]
    return table([*head, "pyramid, of 100,000"], rows)


def size(value: float) -> str:
    """Bytes, in decimal units."""
    for unit, letters in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "KB")):
        if value >= unit:
            return f"{value / unit:,.3g} {letters}" if value < 1e3 * unit else f"{value / unit:,.0f} {letters}"
    return f"{value:.0f} bytes"


def money(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"
