"""The card of a checkpoint: how it was trained and what was measured, from the files beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_TEMPLATE = """# {name}

A {variant} model of {parameters:,} parameters: {layers} blocks of width {dim}, {heads} heads, {window_words},
update chunk {chunk}, memory depth {memory_depth}, vocabulary {vocab}. It shows the signals of a trained memory.

## Training
| | |
|---|---|
| command | `{command}` |
| data | {data} |
| device | {device}, {minutes:.1f} minutes, torch {torch} |
| steps | {step:,} of {batch_tokens:,} tokens: {tokens:,} tokens |
| seed | {seed} |
| loss curve | [curve.csv](curve.csv) (nats per token, one batch every 20 steps) |

## Validation
{documents}, each read from an empty memory ({evaluate}).

| | bits per byte | bits per token | bits per token past the first 512 |
|---|---|---|---|
{rows}

The zeroed row still writes the memory but reads zeros from it: the difference is what this model gets from
its memory.

## What it cannot do
{limits}

The data's sources and licences are listed in [assets/README.md](../../README.md).
"""


def write_card(folder: Path, command: str, data: str, documents: str, limits: str) -> None:
    """Write card.md from config.json and metrics.json in `folder`; the words come from the caller."""
    meta = json.loads((folder / "config.json").read_text())
    scores = json.loads((folder / "metrics.json").read_text())["validation"]
    model, training = meta["model"], meta["training"]
    segment = "segments" if model["variant"] == "mac" else "window"
    window_words = "no attention" if model["variant"] == "lmm" else f"{segment} of {model['window']} tokens"
    text = _TEMPLATE.format(
        **model,
        **{key: training[key] for key in ("step", "tokens", "device", "torch")},
        **{key: training["recipe"][key] for key in ("batch_tokens", "seed")},
        name=folder.name,
        parameters=meta["parameters"],
        window_words=window_words,
        command=command,
        data=data,
        minutes=training["seconds"] / 60,
        documents=documents,
        evaluate=f"`python -m titans_core.training evaluate {folder.as_posix()} --data DATA`",
        rows="\n".join(_row(label, scores[key]) for key, label in _ROWS if key in scores),
        limits=limits,
    )
    (folder / "card.md").write_text(text)


_ROWS = (("live", "memory as trained"), ("zeroed_reads", "memory reads zeroed"))


def _row(label: str, score: dict[str, Any]) -> str:
    columns = ("bits_per_byte", "bits_per_token", "late_bits_per_token")
    return f"| {label} | " + " | ".join(f"{score[column]:.4f}" for column in columns) + " |"
