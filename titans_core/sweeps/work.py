"""Measuring one cell: the same functions and numbers as the commands `niah`, `eval` and `compare`, whoever calls."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr

from titans_core import __version__
from titans_core.checkpoint import load
from titans_core.errors import CheckpointError, ConfigError, TitansError
from titans_core.evaluation.answering import device_name
from titans_core.evaluation.cells import Job, Key
from titans_core.evaluation.report import Report
from titans_core.evaluation.runner import Materials, run_job
from titans_core.model import Model
from titans_core.probes import grid, spots
from titans_core.probes.comparing import agreement, align, won
from titans_core.settings import Settings
from titans_core.sweeps.cells import Cell, Compare, Evaluate, Identity, Needle
from titans_core.sweeps.loop import Outcome
from titans_core.sweeps.sources import Sources, files_sha256
from titans_core.tasks import TaskSource
from titans_core.tokenizer import Tokenizer
from titans_core.tracing import trace

_ELSEWHERE = ("seconds", "device")  # of a result: where and how fast it was made is no part of what came out


def attempt(cell: Cell, key: str, sources: Sources) -> Outcome:
    """Measure a cell; what goes wrong is told in the outcome. key: as who asks knows the cell."""
    begun = time.monotonic()
    try:
        if cell.key != key:
            raise ConfigError(
                f"titanscope {__version__} here makes another cell of it than the one that asks; install "
                "the same version everywhere"
            )
        with _the_same_everywhere():
            result = json.loads(json.dumps(_MEASURE[cell.kind](cell, sources), allow_nan=False))
    except Exception as error:  # one cell must not end the others
        told = " ".join(str(error).split())
        return Outcome(None, failed=told if isinstance(error, TitansError) else f"{type(error).__name__}: {told}")
    return Outcome(result, device=device_name(torch.device(cell.device)), seconds=time.monotonic() - begun)


def forget() -> None:
    """Let go of the models, texts and runs that are held for the next cell."""
    for held in (_model, _haystack, _materials, _data, _run):
        held.cache_clear()
    _tokenizers.clear()


def identity(model: Model) -> Identity:
    return Identity(model.weights_sha256, model.config.digest, model.tokenizer.digest)


@contextmanager
def _the_same_everywhere() -> Iterator[None]:
    """One thread sums in one order on every machine, and products are of whole float32."""
    threads, precision = torch.get_num_threads(), torch.get_float32_matmul_precision()
    torch.set_num_threads(1)
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_float32_matmul_precision(precision)


def _needle(cell: Needle, sources: Sources) -> dict[str, Any]:
    model = _model(sources.checkpoint(cell.model), cell.model, cell.device)
    source = _haystack(_tokenizer(model), sources.haystack(cell.haystack))
    spot = spots.Spot(cell.task, cell.length, cell.depth, cell.control)
    return _told(grid.fill(model, source, spot, cell.n, seed=cell.seed).to_dict())


def _evaluate(cell: Evaluate, sources: Sources) -> dict[str, Any]:
    model = _model(sources.checkpoint(cell.model), cell.model, cell.device)
    materials = _materials(_tokenizer(model), sources.corpus, sources.evaluation)
    if (here := _data(materials, cell.task)) != cell.data:
        raise ConfigError(f"the files of {cell.task} are others here: sha256 {here[:12]}, asked for {cell.data[:12]}")
    report, key = Report({"seed": cell.seed}), Key(cell.task, cell.length, cell.control)
    filled = run_job(model, materials, Job(key, cell.n), report, lambda tokens: None)
    return _told(report.validation[cell.control] if filled is None else filled.to_dict())


def _compare(cell: Compare, sources: Sources) -> dict[str, Any]:
    text = sources.documents[cell.document]
    first = _run(sources.checkpoint(cell.against), cell.against, cell.device, Settings(), text)
    other = _run(sources.checkpoint(cell.model), cell.model, cell.device, cell.settings, text)
    aligned = align([first, other], cell.signal, cell.layer)
    found = agreement(aligned.values[1], aligned.values[0])
    gain = won(other, first)
    gain = gain[np.isfinite(gain)]
    numbers = {**found.correlation._asdict(), "overlap": found.overlap, "chance": found.chance}
    bits = {"saved": gain.sum(), "won": gain[gain > 0].sum(), "lost": -gain[gain < 0].sum()}
    counts = {"unit": aligned.unit, "places": found.places, "top": found.top}
    return {**counts, **{name: _number(value) for name, value in (numbers | bits).items()}}


_MEASURE: dict[str, Callable[[Any, Sources], dict[str, Any]]] = {
    Needle.kind: _needle,
    Evaluate.kind: _evaluate,
    Compare.kind: _compare,
}


def _told(result: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in result.items() if name not in _ELSEWHERE}


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


# What is held from one cell to the next, in each process: a comparison has two models and two runs.

_tokenizers: dict[str, Tokenizer] = {}


def _tokenizer(model: Model) -> Tokenizer:
    """One for all models that have the same, so that a text is encoded once for them."""
    return _tokenizers.setdefault(model.tokenizer.digest, model.tokenizer)


@lru_cache(maxsize=2)
def _model(where: str, wanted: Identity, device: str) -> Model:
    model = load(where, device)
    if identity(model) != wanted:
        raise CheckpointError(
            f"checkpoint {where} is another than was asked for: weights {model.weights_sha256[:12]}, asked for "
            f"{wanted.weights[:12]}"
        )
    return model


@lru_cache(maxsize=2)
def _haystack(tokenizer: Tokenizer, document: str | None) -> TaskSource:
    return spots.haystack(tokenizer, document)


@lru_cache(maxsize=2)
def _materials(tokenizer: Tokenizer, corpus: Path | None, evaluation: Path | None) -> Materials:
    return Materials(tokenizer, corpus, evaluation)


@lru_cache(maxsize=32)
def _data(materials: Materials, task: str) -> str:
    return files_sha256(materials.files(task))


@lru_cache(maxsize=2)
def _run(where: str, wanted: Identity, device: str, settings: Settings, text: str) -> xr.Dataset:
    return trace(_model(where, wanted, device), text, settings=settings)
