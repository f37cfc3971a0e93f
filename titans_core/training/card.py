"""The card of a checkpoint, from the files in its folder: `python -m titans_core.training.card FOLDER ...`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click

from titans_core.config import ModelConfig
from titans_core.evaluation.report import Report
from titans_core.evaluation.tables import markdown

_TEMPLATE = """# {name}

A {variant} model of {parameters:,} parameters: {layers} blocks of width {dim}, {heads} heads, {attention}.
Vocabulary {vocab}. {purpose}

## Training
| | |
|---|---|
| recipe | [recipe.toml](recipe.toml) |
| command | `{command}` |
| data | {data} |
| device | one {device}, {minutes:.1f} minutes with compilation, torch {torch} |
| steps | {step:,} of {batch_tokens:,} tokens: {tokens:,} tokens, {task_share:.0%} of the windows with generated tasks |
| seed | {seed} |
| loss curve | [curve.csv](curve.csv) (nats per token, one batch every 20 steps: all by weight, plain text, answers) |

## Evaluation
Held-out documents, words, numbers and texts that training never drew from, seed {eval_seed}, on {devices} in float32:
`titans eval {name} --data DATA --eval-data EVAL --out FILE`. Every figure is in [evaluation.json](evaluation.json);
cells of that command which are not shown were not run.
Memory: live; or zeroed, which still writes but reads zeros; the difference is what the model gets from its memory.

{tables}

## What it cannot do
{limits}

The data's sources and licences are listed in [assets/README.md](../../README.md).
"""

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--data", required=True, help="what it was trained on, in words")
@click.option("--limits", required=True, type=_FILE, help="what it cannot do, a Markdown file")
def main(folder: Path, data: str, limits: Path) -> None:
    """Write FOLDER/card.md."""
    write_card(folder, data, limits.read_text().strip())


def write_card(folder: Path, data: str, limits: str) -> None:
    """Write card.md from config.json and evaluation.json in `folder`; the words come from the caller."""
    meta = json.loads((folder / "config.json").read_text())
    config, training = ModelConfig.from_dict(meta["model"]), meta["training"]
    report = Report.read(folder / "evaluation.json")
    text = _TEMPLATE.format(
        **meta["model"],
        **{key: training[key] for key in ("step", "tokens", "device", "torch")},
        **{key: training["recipe"][key] for key in ("batch_tokens", "seed", "task_share")},
        command=f"titans train {folder.as_posix()}/recipe.toml --data DATA --babi BABI --out OUT "
        f"--max-minutes {training['recipe']['max_minutes']:g}",
        name=folder.name,
        parameters=meta["parameters"],
        attention=_attention(config),
        purpose=_purpose(config),
        data=data,
        minutes=training["seconds"] / 60,
        eval_seed=report.header["seed"],
        devices=_listed(report.header["devices"]),
        tables=markdown(report),
        limits=limits,
    )
    (folder / "card.md").write_text(text)


def _listed(names: Sequence[str]) -> str:
    """As a sentence lists them: a; a and b; a, b and c."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _purpose(config: ModelConfig) -> str:
    if not config.has_memory:
        return "It is a yardstick, without a neural memory, trained as the others are."
    anchor = "at every token" if config.chunk == 1 else f"every {config.chunk} tokens"
    return f"It shows the signals of a trained memory: depth {config.memory_depth}, gradients taken {anchor}."


def _attention(config: ModelConfig) -> str:
    kinds = {"mac": f"segments of {config.window} tokens", "lmm": "no attention"}
    if config.variant == "lightning":
        return f"linear attention, in the last block a window of {config.window} tokens"
    return kinds.get(config.variant, f"a window of {config.window} tokens")


if __name__ == "__main__":
    main()
