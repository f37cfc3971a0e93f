"""`python -m titans_core.training`: train one variant on a corpus and measure it on held-out documents."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import click
import torch

from titans_core.checkpoint import load, pick_device
from titans_core.config import ModelConfig, Settings
from titans_core.model import Model
from titans_core.tokenizer import Tokenizer
from titans_core.training.corpus import token_stream, validation_documents
from titans_core.training.evaluate import evaluate
from titans_core.training.loop import Recipe, train


@click.command()
@click.option("--variant", required=True, help="mac, mag, mal, lmm or transformer")
@click.option(
    "--data",
    "data",
    required=True,
    type=click.Path(exists=True, path_type=Path),
    help="folder of .jsonl[.xz|.gz]",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="checkpoint folder to write")
@click.option("--steps", required=True, type=int)
@click.option("--seed", default=1, show_default=True)
@click.option("--max-minutes", default=60.0, show_default=True, help="stop and save after this long")
@click.option("--memory-depth", default=1, show_default=True)
@click.option("--batch-tokens", default=32_768, show_default=True)
@click.option("--stages", default="0.4:256,0.6:1024", show_default=True, help="share of steps : tokens per window, ...")
@click.option("--device", default="auto", show_default=True)
def main(
    variant: str,
    data: Path,
    out: Path,
    steps: int,
    seed: int,
    max_minutes: float,
    memory_depth: int,
    batch_tokens: int,
    stages: str,
    device: str,
) -> None:
    """Train VARIANT on the train-* files of a folder; score it on validation.* there, with and without memory."""
    target = pick_device(device)
    torch.set_float32_matmul_precision("high")
    tokenizer = Tokenizer.load()
    began = time.monotonic()
    stream = token_stream(sorted(data.glob("train-*")), tokenizer, os.cpu_count() or 1)
    click.echo(f"{len(stream):,} tokens in {time.monotonic() - began:.0f} s")
    torch.manual_seed(seed)
    model = Model(ModelConfig(variant=variant, memory_depth=memory_depth)).to(target)
    model.tokenizer = tokenizer
    parts = [part.split(":") for part in stages.split(",")]
    plan = tuple((float(share), int(length)) for share, length in parts)
    recipe = Recipe(steps=steps, seed=seed, max_minutes=max_minutes, batch_tokens=batch_tokens, stages=plan)
    record = train(model, stream, recipe, out, lambda line: click.echo(f"{variant}: {line}"))
    score(out, data, device, record)


def score(folder: Path, data: Path, device: str, record: dict[str, object]) -> None:
    """Measure the saved weights on validation.* of `data`; write metrics.json beside them."""
    torch.set_float32_matmul_precision("highest")
    model = load(folder, device)
    documents = validation_documents(next(iter(sorted(data.glob("validation.*")))), model.tokenizer)
    metrics = {"live": evaluate(model, documents, Settings())._asdict()}
    if model.config.has_memory:
        metrics["zeroed_reads"] = evaluate(model, documents, Settings(zero_reads=True))._asdict()
    (folder / "metrics.json").write_text(json.dumps({"training": record, "validation": metrics}, indent=2) + "\n")
    click.echo(f"{model.config.variant}: {json.dumps(metrics)}")


if __name__ == "__main__":
    main()
