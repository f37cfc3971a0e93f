"""Tokens a second of whole training steps, per variant and window: run before a long training to see if it fits.

python benchmarks/training_speed.py RECIPE --data CORPUS [--variants mac,mag,mal] [--windows 256,2048] [--steps 40]

RECIPE gives the models; --profile also prints the kernels that take longest in one step.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import click
import torch

from titans_core.checkpoint import pick_device
from titans_core.corpus import training_stream
from titans_core.model import Model
from titans_core.tokenizer import Tokenizer
from titans_core.training.batches import Batch, StageBatches
from titans_core.training.optimizer import Optimizers
from titans_core.training.recipe import Recipe, read_recipe
from titans_core.training.step import TrainStep


@click.command()
@click.argument("recipe", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--data", "sources", multiple=True, required=True, help="as for titans train")
@click.option("--variants", default="mac,mag,mal", show_default=True)
@click.option("--windows", default="256,2048", show_default=True)
@click.option("--steps", default=40, show_default=True)
@click.option("--batch-tokens", default=65_536, show_default=True)
@click.option("--compiled/--plain", default=True, show_default=True, help="on CUDA: compile the blocks first")
@click.option("--profile", is_flag=True)
def main(
    recipe: Path,
    sources: tuple[str, ...],
    variants: str,
    windows: str,
    steps: int,
    batch_tokens: int,
    compiled: bool,
    profile: bool,
) -> None:
    """Print one line per variant and window: seconds until the first step, tokens/s, loss, peak memory."""
    device = pick_device("auto")
    torch.set_float32_matmul_precision("high")
    stream = training_stream(sources, Tokenizer.load(), os.cpu_count() or 1)
    for variant in variants.split(","):
        for window in map(int, windows.split(",")):
            config, _ = read_recipe(recipe, variant=variant)
            plain = Recipe(steps=steps + 1, batch_tokens=batch_tokens, stages=((1.0, window),))
            batches = StageBatches(stream, None, plain, 0)
            torch.manual_seed(1)
            model = Model(config).to(device)
            began = time.monotonic()
            optimizers = Optimizers(model, matrix_rate=0.02, other_rate=0.004)
            step = TrainStep(model, optimizers, batches[0], write_cost=0.1, compiled=compiled)
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
            if profile:
                click.echo(_slowest(step, batches[0], device))


def _slowest(step: TrainStep, batch: Batch, device: torch.device) -> str:
    """The 25 kernels that take longest in one step, with how often each is launched."""
    with torch.profiler.profile() as found:
        step(batch, 1.0)[0].item()
    by = f"self_{device.type}_time_total"
    return found.key_averages().table(sort_by=by, row_limit=25, max_name_column_width=70)


if __name__ == "__main__":
    main()
