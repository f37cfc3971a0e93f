"""Part "trace": how fast a long text is traced in full, from its characters to its store."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from titans_core.bench.clock import Row, peak_of
from titans_core.bench.reading import NO_STORE, can_store, text_of, trace_to
from titans_core.bench.setup import Setup
from titans_core.checkpoint import load
from titans_core.model import Model

WARM = 2048  # tokens of a trace that nobody times


class _Enough(Exception):
    """The limit is reached."""


def measure(setup: Setup) -> list[Row]:
    """A row a model, models in turns: tokens, seconds a round, bytes at most beyond those before it.

    A trace that takes longer than the limit ends there; its tokens are those that it read.
    """
    tokens = 1024 if setup.quick else 2**20 if setup.cuda else 20_000
    models = [load(name, setup.device.type) for name in setup.models("mac", "mag", "mal")]
    rows: list[Row] = [{"name": model.name, "stored": can_store(), "seconds": []} for model in models]
    for model in models:
        setup.say(f"{model.name}: first trace")
        _timed(model, text_of(WARM if not setup.quick else 64, model.tokenizer), setup)
    for number in range(1 if setup.cuda or setup.quick else 3):
        for model, row in zip(models, rows, strict=True):
            setup.say(f"{model.name}: trace {number + 1}")
            done, peak, seconds = _timed(model, text_of(tokens, model.tokenizer), setup)
            row["seconds"].append(seconds)
            row |= {"tokens": done, "peak": peak}
    if not can_store():
        for row in rows:
            row["note"] = f"{NO_STORE}: kept in memory"
    return rows


def _timed(model: Model, text: str, setup: Setup) -> tuple[int, int | None, float]:
    """Tokens read, bytes at most, seconds."""
    reached = [0]
    with TemporaryDirectory(prefix="titans-bench") as folder:
        store = Path(folder) / "run.zarr" if can_store() else None

        def run() -> None:
            with suppress(_Enough):
                trace_to(store, model, text, _until(time.monotonic() + setup.limit, reached))

        peak, seconds = peak_of(run, setup.device)
    return reached[0], peak, seconds


def _until(end: float, reached: list[int]) -> Callable[[int, int], None]:
    def progress(done: int, total: int) -> None:
        reached[0] = done
        if time.monotonic() > end:
            raise _Enough

    return progress
