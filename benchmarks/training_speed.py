"""Tokens a second of whole training steps, per variant and window: run before a long training to see if it fits.

python benchmarks/training_speed.py --data CORPUS [--variants mac,mag,mal] [--windows 256,2048] [--steps 40]
"""

from __future__ import annotations

import os
import time

import click
import torch

from titans_core.checkpoint import pick_device
from titans_core.config import ModelConfig
from titans_core.corpus import training_stream
from titans_core.model import Model
from titans_core.tokenizer import Tokenizer
from titans_core.training.batches import StageBatches
from titans_core.training.optimizer import Optimizers
from titans_core.training.recipe import Recipe
from titans_core.training.step import TrainStep


@click.command()
@click.option("--data", "sources", multiple=True, required=True, help="as for titans train")
@click.option("--variants", default="mac,mag,mal", show_default=True)
@click.option("--windows", default="256,2048", show_default=True)
@click.option("--steps", default=40, show_default=True)
@click.option("--batch-tokens", default=65_536, show_default=True)
@click.option("--compiled/--plain", default=True, show_default=True, help="on CUDA: compile the blocks first")
def main(sources: tuple[str, ...], variants: str, windows: str, steps: int, batch_tokens: int, compiled: bool) -> None:
    """Print one line per variant and window: seconds until the first step, tokens/s, loss, peak memory."""
    device = pick_device("auto")
    torch.set_float32_matmul_precision("high")
    stream = training_stream(sources, Tokenizer.load(), os.cpu_count() or 1)
    for variant in variants.split(","):
        for window in map(int, windows.split(",")):
            recipe = Recipe(steps=steps + 1, batch_tokens=batch_tokens, stages=((1.0, window),))
            batches = StageBatches(stream, None, recipe, 0)
            torch.manual_seed(1)
            model = Model(ModelConfig(variant=variant)).to(device)
            began = time.monotonic()
            step = TrainStep(
                model, Optimizers(model, matrix_rate=0.02, other_rate=0.004), batches[0], compiled=compiled
            )
            step(batches[0], 1.0)[0].item()
            ready = time.monotonic()
            for i in range(steps):
                stats = step(batches[i + 1], 1.0)
            loss, *_ = step.figures(stats)  # waits for the device
            rate = steps * batch_tokens / (time.monotonic() - ready)
            peak = torch.cuda.max_memory_allocated() / 2**30 if device.type == "cuda" else 0.0
            click.echo(
                f"{variant} window {window}: ready in {ready - began:.0f} s, {rate:,.0f} tokens/s, "
                f"loss {loss:.3f}, peak {peak:.1f} GiB"
            )


if __name__ == "__main__":
    main()
