"""Part "training": whole training steps of models of the shipped sizes, with random tokens: none is cheaper."""

from __future__ import annotations

import time

import torch

from titans_core.bench.clock import Row, peak_of, seconds_of, wait
from titans_core.bench.setup import Setup
from titans_core.checkpoint import load
from titans_core.config import ModelConfig
from titans_core.model import Model
from titans_core.tasks import Role
from titans_core.training.batches import Batch
from titans_core.training.optimizer import Optimizers
from titans_core.training.step import TrainStep

WRITE_COST = 0.1  # of the shipped recipes' kind: makes the step compute what it costs to write for good


def measure(setup: Setup) -> list[Row]:
    """A row a model, one after the other: seconds of one step, and how long the first took to be compiled.

    As `titans train`: bf16 where autocast allows, TF32 products, both optimisers, on CUDA compiled and as graphs.
    """
    window, batch_tokens = (64, 128) if setup.quick else (2048, 65_536) if setup.cuda else (512, 2048)
    names = setup.models(*(("mac",) if setup.quick else ("mac", "mag", "mal", "transformer", "lightning")))
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        return [_row(name, window, batch_tokens, setup) for name in names]
    finally:
        torch.set_float32_matmul_precision(before)


def _row(name: str, window: int, batch_tokens: int, setup: Setup) -> Row:
    setup.say(f"{name}: making a step")
    config = load(name, "cpu").config
    if setup.cuda:  # what was compiled and held for the model before
        torch.compiler.reset()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(setup.device)
    torch.manual_seed(1)
    model = Model(config).to(setup.device)
    batch = _batch(config, batch_tokens // window, window)
    began = time.monotonic()
    step = TrainStep(model, Optimizers(model, matrix_rate=0.02, other_rate=0.004), batch, write_cost=WRITE_COST)
    step(batch, 1.0)
    wait(setup.device)
    ready = time.monotonic() - began
    calls = 10 if setup.cuda else 1
    peak = _peak(step, batch, setup)
    rounds = []
    for number in range(setup.rounds):
        setup.say(f"{name}: round {number + 1} of {setup.rounds}")
        rounds.append(seconds_of(lambda: step(batch, 1.0), setup.device, calls))
    return {
        "name": name,
        "parameters": model.parameter_count,
        "window": window,
        "tokens": batch_tokens,
        "ready": ready,
        "peak": peak,
        "seconds": rounds,
    }


def _peak(step: TrainStep, batch: Batch, setup: Setup) -> int | None:
    """On CUDA what its graphs hold, which is there already; else what a step takes beyond what is there."""
    if setup.cuda:
        return torch.cuda.max_memory_allocated(setup.device)
    return peak_of(lambda: step(batch, 1.0), setup.device)[0]


def _batch(config: ModelConfig, rows: int, window: int) -> Batch:
    random = torch.Generator().manual_seed(1)
    ids = torch.randint(config.vocab, (rows, window + 1), generator=random, dtype=torch.int32)
    role = torch.full((rows, window), int(Role.TEXT), dtype=torch.uint8)
    return Batch(ids, role, torch.full((rows, window), 1 / (rows * window)))
