"""Tokens a second of a whole training step, per variant and window: run before a long training to see if it fits.

python benchmarks/training_speed.py --data CORPUS [--variants mac,mag,mal] [--windows 256,1024] [--steps 100]
"""

from __future__ import annotations

import os
import tempfile
from itertools import pairwise
from pathlib import Path

import click
import torch

from titans_core.checkpoint import pick_device
from titans_core.config import ModelConfig
from titans_core.model import Model
from titans_core.tokenizer import Tokenizer
from titans_core.corpus import token_stream
from titans_core.training.loop import Recipe, train


@click.command()
@click.option("--data", required=True, type=click.Path(exists=True, path_type=Path), help="a corpus file or folder")
@click.option("--variants", default="mac,mag,mal", show_default=True)
@click.option("--windows", default="256,1024", show_default=True)
@click.option("--steps", default=100, show_default=True)
@click.option("--batch-tokens", default=32_768, show_default=True)
@click.option("--memory-depth", default=1, show_default=True)
def main(data: Path, variants: str, windows: str, steps: int, batch_tokens: int, memory_depth: int) -> None:
    """Print one line per variant and window: tokens/s, last loss, peak memory."""
    device = pick_device("auto")
    torch.set_float32_matmul_precision("high")
    tokenizer = Tokenizer.load()
    files = sorted(data.glob("train-*")) if data.is_dir() else [data]
    stream = token_stream(files, tokenizer, os.cpu_count() or 1)
    for variant in variants.split(","):
        for window in map(int, windows.split(",")):
            torch.manual_seed(1)
            model = Model(ModelConfig(variant=variant, memory_depth=memory_depth)).to(device)
            model.tokenizer = tokenizer
            recipe = Recipe(steps=steps, batch_tokens=batch_tokens, stages=((1.0, window),))
            with tempfile.TemporaryDirectory() as folder:
                train(model, stream, recipe, Path(folder), lambda _: None)
                rows = [line.split(",") for line in (Path(folder) / "curve.csv").read_text().split()[1:]]
            times = [(int(row[1]), float(row[4])) for row in rows]
            rates = [(b[0] - a[0]) / max(1e-9, b[1] - a[1]) for a, b in pairwise(times)] or [times[0][0] / times[0][1]]
            peak = torch.cuda.max_memory_allocated() / 2**30 if device.type == "cuda" else 0.0
            click.echo(
                f"{variant} window {window}: {sorted(rates)[len(rates) // 2]:,.0f} tokens/s (median of {len(rates)}), "
                f"loss {float(rows[-1][3]):.3f}, peak {peak:.1f} GiB"
            )


if __name__ == "__main__":
    main()
