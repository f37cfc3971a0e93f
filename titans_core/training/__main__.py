"""`python -m titans_core.training`: train one variant on a corpus, and measure a checkpoint on held-out documents."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import click
import torch

from titans_core.checkpoint import load, pick_device
from titans_core.config import ModelConfig, Settings
from titans_core.errors import ConfigError
from titans_core.model import Model
from titans_core.tokenizer import Tokenizer
from titans_core.corpus import token_stream, validation_documents
from titans_core.evaluation.validation import evaluate
from titans_core.training.loop import Recipe, train

_DATA = click.option(
    "--data",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="folder with train-*.jsonl[.xz|.gz] and validation.jsonl[.xz|.gz]",
)
_DEVICE = click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda")


@click.group()
def main() -> None:
    """Train and measure."""


@main.command("train")
@_DATA
@_DEVICE
@click.option("--variant", required=True, help="mac, mag, mal, lmm or transformer")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="checkpoint folder to write")
@click.option("--steps", required=True, type=int)
@click.option("--batch-tokens", default=32_768, show_default=True)
@click.option("--stages", default="0.4:256,0.6:1024", show_default=True, help="share of steps : tokens per window, ...")
@click.option("--max-minutes", default=60.0, show_default=True, help="slow down and stop by then")
@click.option("--memory-depth", default=1, show_default=True)
@click.option("--seed", default=1, show_default=True)
def train_command(
    data: Path,
    device: str,
    variant: str,
    out: Path,
    steps: int,
    batch_tokens: int,
    stages: str,
    max_minutes: float,
    memory_depth: int,
    seed: int,
) -> None:
    """Train a variant on the train-* files of a folder, then measure it as `evaluate` does."""
    recipe = Recipe(
        steps=steps, seed=seed, max_minutes=max_minutes, batch_tokens=batch_tokens, stages=_parse_stages(stages)
    )
    target = pick_device(device)
    torch.set_float32_matmul_precision("high")
    tokenizer = Tokenizer.load()
    began = time.monotonic()
    stream = token_stream(sorted(data.glob("train-*")), tokenizer, os.cpu_count() or 1)
    click.echo(f"{len(stream):,} tokens in {time.monotonic() - began:.0f} s")
    torch.manual_seed(seed)
    model = Model(ModelConfig(variant=variant, memory_depth=memory_depth)).to(target)
    model.tokenizer = tokenizer
    train(model, stream, recipe, out, lambda line: click.echo(f"{variant}: {line}"))
    measure(out, data, device)


@main.command("evaluate")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@_DATA
@_DEVICE
def evaluate_command(folder: Path, data: Path, device: str) -> None:
    """Bits per byte of a checkpoint FOLDER on validation.* of --data, with its memory and with reads zeroed."""
    measure(folder, data, device)


def measure(folder: Path, data: Path, device: str) -> dict[str, Any]:
    """Score the saved weights in full precision; writes metrics.json beside them and returns its content."""
    torch.set_float32_matmul_precision("highest")
    model = load(folder, device)
    documents = validation_documents(sorted(data.glob("validation.*")), model.tokenizer)
    scores = {"live": evaluate(model, documents, Settings())._asdict()}
    if model.config.has_memory:
        scores["zeroed_reads"] = evaluate(model, documents, Settings(zero_reads=True))._asdict()
    metrics = {"weights_sha256": model.weights_sha256, "documents": len(documents), "validation": scores}
    (folder / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    click.echo(f"{folder.name}: {json.dumps(scores)}")
    return metrics


def _parse_stages(text: str) -> tuple[tuple[float, int], ...]:
    try:
        stages = tuple((float(share), int(length)) for share, length in (part.split(":") for part in text.split(",")))
    except ValueError:
        raise ConfigError(f"stages {text!r} should look like 0.4:256,0.6:1024 (share of steps : tokens)") from None
    if abs(sum(share for share, _ in stages) - 1) > 1e-6:
        raise ConfigError(
            f"the shares in stages {text!r} add up to {sum(s for s, _ in stages):g}; they must add up to 1"
        )
    return stages


if __name__ == "__main__":
    main()
