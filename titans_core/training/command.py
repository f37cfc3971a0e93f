"""`titans train`: one training from a TOML file, alone or as one of torchrun's processes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch

from titans_core.corpus import training_stream
from titans_core.errors import ConfigError, TitansError
from titans_core.model import Model
from titans_core.outputs import output_folder
from titans_core.tasks import Prose, TaskSource, frequent_words
from titans_core.tokenizer import Tokenizer
from titans_core.training.guard import Diverged
from titans_core.training.loop import Training
from titans_core.training.processes import join, leave, lost_others, restarted
from titans_core.training.recipe import Recipe, parse_settings, read_recipe
from titans_core.training.shards import shard
from titans_core.training.state import NAME

WORDS_FROM = 4_000_000  # tokens of the corpus whose words serve as keys and values too


@click.command("train")
@click.argument("config", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--data",
    "sources",
    multiple=True,
    required=True,
    help="JSONL file (.jsonl, .gz, .xz), folder of them (train-* where there are such) or of .txt and .md files, or "
    "hub:NAME of a dataset; repeat for several.",
)
@click.option("--babi", type=click.Path(exists=True, file_okay=False, path_type=Path), help="folder of bAbI files")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="checkpoint folder to write")
@click.option("--variant", help="instead of the one in CONFIG")
@click.option("--steps", type=int, help="instead of those in CONFIG")
@click.option("--seed", type=int, help="instead of the one in CONFIG")
@click.option(
    "--max-minutes",
    type=float,
    help=f"slow down and stop by then  [default: what CONFIG says, or {Recipe.max_minutes:g}]",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="any other value of [model] or [training] instead of the one in CONFIG, such as momentum=false; repeatable",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda")
@click.option("--workers", default=0, show_default=True, help="processes that make batches; 0: the training itself")
@click.option(
    "--parallel",
    type=click.Choice(["ddp", "fsdp"]),
    default="ddp",
    show_default=True,
    help="among torchrun's processes. ddp: each has the whole model; fsdp (FSDP2): each has a part of the weights, "
    "gradients and optimiser state",
)
@click.option("--resume", is_flag=True, help="go on from the state in --out, with the same CONFIG and options")
def train_command(
    config: Path,
    sources: tuple[str, ...],
    babi: Path | None,
    out: Path,
    variant: str | None,
    steps: int | None,
    seed: int | None,
    max_minutes: float | None,
    settings: tuple[str, ...],
    device: str,
    workers: int,
    parallel: str,
    resume: bool,
) -> None:
    """Train the model that CONFIG describes and write a checkpoint folder.

    Training is meant for a GPU: a CPU is enough to try it with a small model and few steps.

    SIGTERM and Ctrl-C save and end; --resume goes on from there to the same result as without a stop.
    """
    options = {"variant": variant, "steps": steps, "seed": seed, "max_minutes": max_minutes}
    shape, recipe = read_recipe(config, **_changes(parse_settings(settings), options))
    if os.environ.get("RANK", "0") == "0":  # of torchrun's processes, the one that writes
        click.get_current_context().with_resource(output_folder(out))
    resume = resume or (restarted() and (out / NAME).exists())
    if (out / NAME).exists() and not resume:
        raise ConfigError(f"{out} holds a training already; give --resume to go on with it, or another --out")
    if (out / "config.json").exists() and not resume:
        raise ConfigError(f"{out} holds a checkpoint already; give another --out, or remove it first")
    _check_babi(recipe, babi)
    with lost_others():
        part, target = join(device)
    torch.set_float32_matmul_precision("high")
    tokenizer = Tokenizer.load()
    stream = training_stream(sources, tokenizer, os.cpu_count() or 1)
    if part.rank == 0:
        click.echo(f"{len(stream):,} tokens of text", err=True)
    torch.manual_seed(recipe.seed)
    with _enough_memory(), lost_others():
        model = Model(shape).to(target)
        model.tokenizer = tokenizer
        if parallel == "fsdp" and part.world > 1:  # one process would hold all of it anyway
            shard(model)
        training = Training(
            model,
            stream,
            _source(recipe, stream, tokenizer, babi, sources),
            recipe,
            out if part.rank == 0 else None,
            part=part,
            resume=out if resume else None,
            workers=workers,
        )
        try:
            record = training.run()
            leave()
        except Diverged as error:
            leave()
            raise TitansError(f"training stopped: {error}; {out} holds it") from None
    if part.rank == 0:
        why = f" ({training.stopped})" if training.stopped else ""
        click.echo(f"{out}: step {record['step']:,} of {recipe.steps:,} in {record['seconds']:.0f} s{why}")


def _changes(settings: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """What --set and the options of the same names change. Raises ConfigError where both change one thing."""
    given = {name: value for name, value in options.items() if value is not None}
    if twice := sorted(set(settings) & set(given)):
        both = ", ".join(f"--set {name} and --{name.replace('_', '-')}" for name in twice)
        raise ConfigError(f"{both} are given; give one of them")
    return settings | given


@contextmanager
def _enough_memory() -> Iterator[None]:
    """Says what to make smaller where there is too little of it; torch has no error of its own for that on a CPU."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError | torch.OutOfMemoryError) and "can't allocate memory" not in str(error):
            raise
        raise ConfigError(
            f"there is too little memory for this model and batch: {str(error).splitlines()[0]}; "
            "make dim, layers, ffn or memory_hidden of [model] smaller, or batch_tokens of [training]"
        ) from None


def _check_babi(recipe: Recipe, babi: Path | None) -> None:
    needing = [name for name, weight in recipe.tasks if name.startswith("babi") and weight and recipe.task_share]
    if needing and babi is None:
        raise ConfigError(f"the tasks {', '.join(needing)} need the bAbI files; name their folder with --babi")


def _source(
    recipe: Recipe, stream: np.ndarray, tokenizer: Tokenizer, babi: Path | None, sources: tuple[str, ...]
) -> TaskSource | None:
    if not recipe.task_share:
        return None
    words = frequent_words(tokenizer.decode(stream[:WORDS_FROM].tolist()))
    try:
        prose = Prose(stream, tokenizer)
    except ConfigError as error:
        raise ConfigError(f"--data {', '.join(sources)}: {error}, or set task_share to 0") from None
    return TaskSource(tokenizer, "train", prose, babi, pairs=0.5, more=words)
