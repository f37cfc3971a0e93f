"""Tokens a second of whole training steps in one process and in several, and what each more process is worth.

torchrun --standalone --nproc-per-node 2 benchmarks/scaling_training.py --checkpoint mag

The first process trains alone first; then all of them together: by DDP the same batch shared ("strong") and a batch
each ("weak"), and by FSDP2 the same batch shared. Efficiency is the speed together over that of one process times the
number of processes. On CUDA, FSDP2's steps are never captured, so it is also set beside one process whose steps are
not. Text is the sample texts over and over. The last line is all of it as JSON; what there was no time for is null.
"""

from __future__ import annotations

import itertools
import json
import os
import time
from typing import Any

import click
import numpy as np
import torch

from titans_core import assets, checkpoint
from titans_core.checkpoint import pick_device
from titans_core.model import Model
from titans_core.tokenizer import Tokenizer
from titans_core.training.batches import Part, StageBatches
from titans_core.training.guard import Guard
from titans_core.training.optimizer import Optimizers
from titans_core.training.processes import join, largest, leave
from titans_core.training.recipe import Recipe
from titans_core.training.shards import shard
from titans_core.training.step import TrainStep

BATCHES = 8  # made before the clock starts, then used in turn
RATE = 0.02  # of the peak rates: weights that are trained already are not to be spoiled


@click.command()
@click.option("--checkpoint", "name", default="mag", show_default=True)
@click.option("--window", default=2048, show_default=True, help="tokens of a row")
@click.option("--batch-tokens", default=65_536, show_default=True, help="of all processes together")
@click.option("--seconds", default=8.0, show_default=True, help="that each kind is timed")
@click.option("--minutes", default=2.5, show_default=True, help="after which no other kind is begun")
@click.option("--compiled/--plain", default=False, help="compile blocks before they are captured: minutes more")
@click.option("--device", default="auto", show_default=True)
def main(
    name: str, window: int, batch_tokens: int, seconds: float, minutes: float, compiled: bool, device: str
) -> None:
    """Print a line of JSON per kind of training, and one with the efficiencies."""
    began = time.monotonic()
    torch.set_float32_matmul_precision("high")
    stream = sample_stream(32 * batch_tokens)
    found: dict[str, dict[str, Any] | None] = {}

    def timed(kind: str, part: Part, target: torch.device, **how: bool) -> None:
        if largest((time.monotonic() - began) / 60)[0] > minutes:
            found[kind] = None
            return
        model = checkpoint.load(name, "cpu").train().requires_grad_(True).to(target)
        tokens = batch_tokens * (part.world if kind == "ddp_weak" else 1)
        recipe = Recipe(steps=BATCHES, batch_tokens=tokens, stages=((1.0, window),))
        found[kind] = measure(model, StageBatches(stream, None, recipe, 0, part), seconds, **how)
        if part.rank == 0:
            print(json.dumps({kind: found[kind]}), flush=True)

    if os.environ.get("RANK", "0") == "0":  # alone, before it joins the others, which wait for it
        target = pick_device(device)
        timed("one", Part(), target, compiled=compiled)
        if target.type == "cuda":
            timed("one_not_captured", Part(), target, captured=False)
    part, target = join(device)
    for kind, how in (("ddp", {}), ("ddp_weak", {}), ("fsdp", {"spread": True})):
        if part.world > 1:
            timed(kind, part, target, compiled=compiled and kind != "fsdp", **how)
    if part.rank == 0:
        about = {"checkpoint": name, "window": window, "batch_tokens": batch_tokens, "compiled": compiled}
        where = torch.cuda.get_device_name() if target.type == "cuda" else "cpu"
        about |= {"processes": part.world, "device": where, "torch": torch.__version__}
        print(json.dumps({**about, **efficiencies(found, part.world), "kinds": found}), flush=True)
    leave()


def sample_stream(tokens: int) -> np.ndarray:
    """The token ids of the sample texts, over and over, at least so many."""
    texts = [file.read_text("utf-8") for file in sorted((assets.ROOT / "samples").glob("*.txt"))]
    ids = np.concatenate(Tokenizer.load().encode_ids(texts)).astype(np.uint16)
    return np.tile(ids, tokens // len(ids) + 1)


def measure(
    model: Model,
    batches: StageBatches,
    seconds: float,
    *,
    compiled: bool = False,
    captured: bool = True,
    spread: bool = False,
) -> dict[str, Any]:
    """Tokens a second of all processes, the last loss, this process's GPU memory, and what was not finite first."""
    if spread:
        shard(model)
    on_gpu = model.device.type == "cuda"
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    optimizers = Optimizers(model, matrix_rate=0.02, other_rate=0.004)
    ready = [batches[i] for i in range(BATCHES)]
    step = TrainStep(model, optimizers, ready[0], write_cost=0.1, compiled=compiled)
    if not captured:
        step._replay = step._eager
    guard, steps, bad, began = Guard(model, optimizers), 0, None, 0.0
    while not steps or largest(time.monotonic() - began)[0] < seconds:
        for batch in ready:
            stats = step(batch, RATE)
        loss, _, _ = step.figures(stats)  # waits for the device
        if not guard.finite(loss):
            bad = str(guard.explain(zip(ready, itertools.repeat(RATE)), step))
            break
        guard.keep(steps)
        if not began:  # the first round was to warm up
            began = time.monotonic()
            continue
        steps += BATCHES
    rate = steps * batches.recipe.batch_tokens / (time.monotonic() - began) if steps else None
    peak = torch.cuda.max_memory_allocated() / 2**30 if on_gpu else None
    return {"tokens_per_second": rate, "steps": steps, "loss": loss, "gpu_gib": peak, "not_finite": bad}


def efficiencies(found: dict[str, dict[str, Any] | None], world: int) -> dict[str, float | None]:
    """The speed of `world` processes over `world` times that of one; None where either is not known."""
    speeds = {kind: one["tokens_per_second"] if one else None for kind, one in found.items()}
    pairs = [("ddp", "one"), ("ddp_weak", "one"), ("fsdp", "one"), ("fsdp", "one_not_captured")]
    return {
        f"{kind}_over_{alone}": speeds[kind] / (world * speeds[alone])
        if speeds.get(kind) and speeds.get(alone)
        else None
        for kind, alone in pairs
    }


if __name__ == "__main__":
    main()
