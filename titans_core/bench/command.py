"""`titans bench`: tables as they are measured, then the bars, and a JSON file of all rows."""

from __future__ import annotations

import importlib
import json
import math
import os
import platform
import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import torch

from titans_core import __version__
from titans_core.bench import bars, tables, theirs
from titans_core.bench.setup import Setup
from titans_core.checkpoint import load, pick_device, replace_file
from titans_core.errors import ConfigError
from titans_core.growth import LENGTHS
from titans_core.outputs import output_file
from titans_core.versions import installed

FORMAT = 1
PARTS = {
    "memory": "memory",
    "roofline": "roofline",
    "signals": "signals",
    "trace": "traces",
    "training": "training",
    "growth": "growing",
}
QUICK_LENGTHS = (512, 2560)


@click.command("bench")
@click.option("--part", "parts", multiple=True, type=click.Choice(list(PARTS)), help="Repeatable.  [default: all]")
@click.option("--quick", is_flag=True, help="Small sizes: whether it runs, not how fast.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda")
@click.option(
    "--checkpoint",
    "names",
    multiple=True,
    help="Whose models are read, traced and trained: a shipped name or a folder; repeatable.  [default: by part]",
)
@click.option("--lengths", help="of growth, in tokens, with commas  [default: 1024,4096, ... 1048576]")
@click.option("--limit", type=float, help="seconds a long text may take  [default: 600, on CUDA 30]")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="JSON file of all rows")
def bench_command(
    parts: tuple[str, ...],
    quick: bool,
    device: str,
    names: tuple[str, ...],
    lengths: str | None,
    limit: float | None,
    out: Path | None,
) -> None:
    """What the memory, whole models, their traces and their training cost, each beside something to compare it with.

    Ratios are taken round by round, contestants in turns: median (lowest to highest). Without options this takes an
    hour on two CPU cores, most of it for texts of a million tokens, and minutes on a GPU.
    """
    target = pick_device(device)
    chosen = [name for name in PARTS if not parts or name in parts]
    limit = limit if limit is not None else 30.0 if target.type == "cuda" else 600.0
    if not limit > 0:
        raise ConfigError(f"--limit is {limit:g}; it must be above 0 seconds")
    stops = _lengths(lengths) if lengths is not None else QUICK_LENGTHS if quick else LENGTHS
    for name in names:
        load(name, "cpu")  # a bad one is refused before anything is measured
    if out is not None:
        click.get_current_context().with_resource(output_file(out))
    setup = Setup(target, quick, names, stops, limit, _say)
    record = _header(target, quick, _command(parts, quick, names, lengths, limit))
    click.echo(f"{record['device']}, {record['threads']} threads, torch {record['torch']}, {record['when']}")
    for name in chosen:
        _measure(name, setup, record)
        _say("")
        for table in tables.tables(name, record):
            click.echo(f"\n{table.text()}")
        record["load"] = max(record["load"], _load())
        if out is not None:
            replace_file(out, (json.dumps(record, indent=1) + "\n").encode())  # a later part may be stopped
    click.echo(f"\n{bars.table(record).text()}")


def _measure(name: str, setup: Setup, record: dict[str, Any]) -> None:
    found = importlib.import_module(f"titans_core.bench.{PARTS[name]}").measure(setup)
    if name == "growth":
        found, beside = found
        record |= beside
    record["parts"][name] = found
    if setup.cuda:
        torch.cuda.empty_cache()


def _say(line: str) -> None:
    """What goes on, in one line that the next one replaces."""
    if sys.stderr.isatty():
        click.echo(f"\r\033[K{line[:100]}", nl=False, err=True)


def _lengths(text: str) -> tuple[int, ...]:
    try:
        found = sorted({int(part) for part in text.split(",")})
    except ValueError:
        found = []
    if not found or found[0] < 1:
        raise ConfigError(f"--lengths {text!r} must be whole numbers above 0 with commas, such as 1024,4096")
    return tuple(found)


def _command(parts: tuple[str, ...], quick: bool, names: tuple[str, ...], lengths: str | None, limit: float) -> str:
    words = ["titans", "bench"]
    words += [word for part in parts for word in ("--part", part)]
    words += ["--quick"] * quick
    words += [word for name in names for word in ("--checkpoint", name)]
    words += ["--lengths", lengths] if lengths is not None else []
    return shlex.join([*words, "--limit", f"{limit:g}", "--out", "FILE"])


def _header(device: torch.device, quick: bool, command: str) -> dict[str, Any]:
    cuda = device.type == "cuda"
    versions = {"titanscope": __version__} | {name: installed(name) for name in ("numpy", "zarr", "triton")}
    return {
        "format": FORMAT,
        "command": command,
        "cuda": cuda,
        "quick": quick,
        "device": torch.cuda.get_device_name(device) if cuda else f"{os.cpu_count()} CPU cores",
        "processor": _processor(),
        "machine": platform.machine(),
        "threads": torch.get_num_threads(),
        "load": _load(),
        "torch": torch.__version__,
        "versions": {"python": platform.python_version(), **versions, theirs.PACKAGE: theirs.version()},
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "parts": {},
    }


def _load() -> float:
    """Processes that ran or waited for a processor in the last minute, this one with its threads among them."""
    return round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else math.nan


def _processor() -> str:
    """The CPU's name, as Linux gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
