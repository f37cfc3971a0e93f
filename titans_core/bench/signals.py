"""Part "signals": the memory and whole models with their signals and without, and traced against merely read."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from titans_core.bench import readers
from titans_core.bench.clock import Contestant, Row, products_in, race
from titans_core.bench.reading import NO_STORE, can_store, ids_of, read, text_of, trace_to
from titans_core.bench.setup import Setup
from titans_core.checkpoint import load
from titans_core.model import Model

ALONE, WHOLE, TRACED = "memory alone", "whole model", "traced"


def measure(setup: Setup) -> list[Row]:
    """Rows in groups; the first row of a group is what the others are compared with."""
    deep = setup.shape
    shipped = dataclasses.replace(deep, depth=1, chunk=1)
    rows: list[Row] = []
    for shape, precision in ((deep, "highest"), (deep, "high"), (shipped, "highest")):
        if precision in setup.precisions:
            with products_in(precision):
                rows += _alone(readers.given(shape, setup.device, grad=False), setup)
    for name in setup.models(*(("mac",) if setup.quick else ("mac", "mag", "mal", "lmm"))):
        model = load(name, setup.device.type)
        if model.config.has_memory:
            rows += _whole(model, setup)
            rows += _traced(model, setup)
    return rows


def _about(kind: str, group: str) -> Row:
    return {"kind": kind, "group": group, "precision": torch.get_float32_matmul_precision()}


def _pair(run: Callable[[bool], object], tokens: int, about: Row, setup: Setup) -> list[Row]:
    """Without signals and with them."""
    runs: dict[str, Callable[[], object]] = {"off": lambda: run(False), "on": lambda: run(True)}
    return race([Contestant(f"signals {name}", one, tokens, about=about) for name, one in runs.items()], setup)


@torch.no_grad()
def _alone(given: readers.Given, setup: Setup) -> list[Row]:
    about = _about(ALONE, f"memory_scan, depth {len(given.weights)}, chunk {given.chunk}")
    return _pair(given.scan, setup.shape.read, about, setup)


@torch.inference_mode()
def _whole(model: Model, setup: Setup) -> list[Row]:
    """One call that reads a whole text, on CUDA several at once, with logits."""
    ids = ids_of(128 if setup.quick else 4096, model).expand(setup.shape.batch, -1)
    return _pair(lambda on: model(ids, signals=on), ids.numel(), _about(WHOLE, model.name), setup)


def _traced(model: Model, setup: Setup) -> list[Row]:
    """What `tc.trace` does with a text, kept in memory or streamed to a store, beside reading its tokens in slabs."""
    tokens = 256 if setup.quick else 16_384 if setup.cuda else 8192
    text, ids = text_of(tokens, model.tokenizer), ids_of(tokens, model)
    about, found = _about(TRACED, model.name), len(model.tokenizer.encode(text).ids)
    with TemporaryDirectory(prefix="titans-bench") as folder:
        store = Path(folder) / "run.zarr"
        made = [
            Contestant("read", lambda: read(model, ids), tokens, about=about),
            Contestant("traced in memory", lambda: trace_to(None, model, text), found, about=about),
        ]
        if can_store():
            made.append(Contestant("traced to a store", lambda: trace_to(store, model, text), found, about=about))
        rows = race(made, setup)
    if not can_store():
        rows.append({"name": "traced to a store", "missing": NO_STORE, **about})
    return rows
