"""A training that can go on where it stopped: one safetensors file with everything, replaced in one step."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save as save_tensors
from torch import Tensor

from titans_core.checkpoint import replace_file
from titans_core.errors import CheckpointError
from titans_core.model import Model
from titans_core.training.optimizer import Optimizers
from titans_core.training.shards import fill, whole

NAME = "training_state.safetensors"


def save_state(folder: Path | None, model: Model, optimizers: Optimizers, record: dict[str, Any]) -> None:
    """Write weights in full precision, what the optimisers remember, and `record` (JSON), complete or not at all.

    What is spread over processes is gathered: the file is the same however many there are, and every process must
    call this. folder: None in those that only help.
    """
    gathered = ((name, whole(t.detach())) for name, t in _tensors(model, optimizers).items())
    tensors = {name: t.cpu().contiguous() for name, t in gathered if folder is not None}
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    replace_file(folder / NAME, save_tensors(tensors, {"record": json.dumps(record, allow_nan=False)}))


def restore_state(folder: Path, model: Model, optimizers: Optimizers, expected: dict[str, Any]) -> dict[str, Any]:
    """Take back what `save_state` wrote, in however many processes; returns its record.

    expected: entries the record must agree with.

    Raises CheckpointError for a missing or damaged file and for one of another model, recipe or corpus.
    """
    path = folder / NAME
    try:
        with safe_open(path, "pt") as file:
            record: dict[str, Any] = json.loads((file.metadata() or {})["record"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise CheckpointError(f"no training to resume in {folder}: {path.name} cannot be read: {error}") from None
    for name, value in expected.items():
        if record.get(name) != value:
            raise CheckpointError(
                f"{path} belongs to another {_NAMES.get(name, name)}: {_difference(record.get(name), value)}; "
                "resume with what it was started with, or train anew in another folder"
            )
    targets = _tensors(model, optimizers)
    if {n: tuple(t.shape) for n, t in targets.items()} != {n: tuple(t.shape) for n, t in tensors.items()}:
        raise CheckpointError(f"{path} does not fit the model; resume with the settings it was started with")
    for name, target in targets.items():
        fill(target, tensors[name])
    return record


_NAMES = {"corpus_tokens": "corpus, by its number of tokens"}


def _difference(before: Any, now: Any) -> str:
    """Of two tables only the entries that differ."""
    if not isinstance(before, dict) or not isinstance(now, dict):
        return f"it was started with {before}, this is {now}"
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    return ", ".join(f"{name} was {before.get(name)} and is now {now.get(name)}" for name in names)


def _tensors(model: Model, optimizers: Optimizers) -> dict[str, Tensor]:
    weights = {f"model.{name}": t for name, t in model.state_dict().items()}
    return {**weights, **optimizers.tensors()}
