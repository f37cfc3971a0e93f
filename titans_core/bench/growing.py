"""Part "growth": one text of up to a million tokens, read and traced: does the end take longer than the beginning?"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from titans_core.bench.clock import Row, resident
from titans_core.bench.reading import NO_STORE, can_store, ids_of, text_of
from titans_core.bench.setup import Setup
from titans_core.checkpoint import load
from titans_core.growth import FULL, Point, full_attention, growth
from titans_core.model import Model
from titans_core.steady import steady

VARIANTS = ("mac", "mag", "mal")
YARDSTICKS = ("lmm", "transformer", "lightning")
PAGE = 10_000  # tokens, repeated
READ, TRACED = "read", "traced"


class _OverLimit(Exception):
    """The limit is reached."""


def measure(setup: Setup) -> tuple[list[Row], dict[str, Any]]:
    """Rows: a model each, read (kind "read") and traced (kind "traced"); and the points at every length, by model.

    ratio: time of the last quarter over that of the first. grown: bytes of main memory in use at the end that were not
    after the first quarter. None of either where the limit came first.
    """
    names = ("mal",) if setup.quick else ("mac", "transformer") if setup.cuda else (*VARIANTS, *YARDSTICKS)
    models = [load(name, setup.device.type) for name in setup.models(*names)]
    models += [full_attention(model) for model in models if model.config.variant == "transformer"][:1]
    rows: list[Row] = []
    points: dict[str, list[Point]] = {}
    for model in models:
        row, points[model.name] = _read(model, setup)
        rows.append(row)
    traced = [model for model in models if model.name in VARIANTS or (setup.names and model.config.has_memory)]
    rows += [_traced(model, setup) for model in traced if max(setup.lengths) >= 5 * 512]
    return rows, {
        "limit_seconds": setup.limit,
        "not_trained_so": FULL,
        "models": {name: [point.to_dict() for point in found] for name, found in points.items()},
    }


def _read(model: Model, setup: Setup) -> tuple[Row, list[Point]]:
    last = max(setup.lengths)
    quarters = [last * part // 4 for part in (1, 2, 3, 4)]
    memory: dict[int, int] = {}

    def note(done: int, total: int) -> None:
        setup.say(f"{model.name}: {done:,} of {total:,} tokens read")
        if done in quarters:
            memory[done] = resident()

    ids = ids_of(min(PAGE, last), model)
    growth(model, ids, [min(64, last)])  # compiles, fills caches
    points = growth(model, ids, [*setup.lengths, *quarters], limit=setup.limit, progress=note)
    if not points:
        return {"kind": READ, "name": model.name, "missing": f"over {setup.limit:g} s before the first length"}, []
    at = {point.tokens: point.seconds for point in points}
    whole = all(quarter in at for quarter in quarters)
    return {
        "kind": READ,
        "name": model.name,
        "tokens": points[-1].tokens,
        "seconds": [points[-1].seconds],
        "state": points[-1].state,
        "ratio": (at[quarters[3]] - at[quarters[2]]) / at[quarters[0]] if whole else None,
        "grown": memory[quarters[3]] - memory[quarters[0]] if whole else None,
    }, [point for point in points if point.tokens in setup.lengths]


def _traced(model: Model, setup: Setup) -> Row:
    """As `tc.trace` does to a store; where that is not possible, in memory, which then grows by the trace."""
    tokens = max(setup.lengths)
    row: Row = {"kind": TRACED, "name": model.name, "stored": can_store()}
    if not can_store():
        row["note"] = f"{NO_STORE}: kept in memory"
    with TemporaryDirectory(prefix="titans-bench") as folder:
        store = Path(folder) / "run.zarr" if can_store() else None
        try:
            found = steady(
                model,
                text_of(min(PAGE, tokens), model.tokenizer),
                tokens,
                store=store,
                progress=_until(time.monotonic() + setup.limit, f"{model.name}: ", setup.say),
            )
        except _OverLimit as over:
            return row | {"missing": f"over {setup.limit:.0f} s, {over} tokens"}
    measured = {"tokens": found.tokens, "seconds": [found.seconds], "ratio": found.ratio, "grown": found.grown}
    return row | measured | {"quarters": found.quarters, "resident": found.resident}


def _until(end: float, who: str, say: Callable[[str], None]) -> Callable[[int, int], None]:
    def progress(done: int, total: int) -> None:
        say(f"{who}{done:,} of {total:,} tokens traced")
        if time.monotonic() > end:
            raise _OverLimit(f"{done:,} of {total:,}")

    return progress
