"""Timing contestants in turns, so that what else the machine does hits all of them; the memory that a call takes."""

from __future__ import annotations

import ctypes
import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from titans_core.bench.setup import Setup

Row = dict[str, Any]


@dataclass(frozen=True)
class Contestant:
    """run: one call, which reads `tokens` tokens. includes: what exactly a call does. about: more of its row."""

    name: str
    run: Callable[[], object]
    tokens: int
    includes: str = ""
    about: Row = field(default_factory=dict)


def race(contestants: Sequence[Contestant], setup: Setup) -> list[Row]:
    """One call of each after the other, `setup.rounds` times: a row for each, with its seconds a call in every round.

    A call shorter than `setup.shortest` is repeated until that much time is measured at once.

    peak: bytes in use at most during a call, beyond those before it; None where the system does not say. A contestant
    for which the device has not enough memory gets a row that says so, under "missing".
    """
    rows: list[Row] = []
    ready: list[tuple[Contestant, int, Row]] = []
    for one in contestants:
        row: Row = {"name": one.name, "tokens": one.tokens, "includes": one.includes, **one.about}
        rows.append(row)
        setup.say(f"{one.name}: first call")
        try:
            one.run()  # compiles, tunes, fills caches
            peak, seconds = peak_of(one.run, setup.device)
        except torch.OutOfMemoryError:
            row["missing"] = "not enough memory on the device"
            continue
        row |= {"peak": peak, "seconds": []}
        ready.append((one, max(1, round(setup.shortest / max(seconds, 1e-6))), row))
    for number in range(setup.rounds):
        for one, calls, row in ready:
            setup.say(f"{one.name}: round {number + 1} of {setup.rounds}")
            row["seconds"].append(seconds_of(one.run, setup.device, calls))
    return rows


def seconds_of(run: Callable[[], object], device: torch.device, calls: int = 1) -> float:
    """Seconds a call, work on the device included."""
    wait(device)
    began = time.perf_counter()
    for _ in range(calls):
        run()
    wait(device)
    return (time.perf_counter() - began) / calls


def peak_of(run: Callable[[], object], device: torch.device) -> tuple[int | None, float]:
    """Bytes that one call takes at most, beyond those in use before it, and its seconds."""
    gc.collect()
    if device.type == "cuda":
        wait(device)
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        seconds = seconds_of(run, device)
        return torch.cuda.max_memory_allocated(device) - before, seconds
    known = _forget_peak()
    before = resident("VmRSS")
    seconds = seconds_of(run, device)
    return (resident("VmHWM") - before if known else None), seconds


def resident(name: str = "VmRSS") -> int:
    """Bytes of this process: VmRSS now, VmHWM at most. 0 where the system does not say."""
    try:
        with open("/proc/self/status", encoding="ascii") as file:
            return next((1024 * int(line.split()[1]) for line in file if line.startswith(name)), 0)
    except OSError:
        return 0


def _forget_peak() -> bool:
    """Set VmHWM back to what is in use, and give free memory back first. False where that cannot be done."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
        with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
            file.write("5")
    except (OSError, AttributeError, TypeError):
        return False
    return True


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@contextmanager
def products_in(precision: str) -> Iterator[None]:
    """float32 products as torch.set_float32_matmul_precision says: "highest", "high" (TF32), "medium" (bf16)."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
