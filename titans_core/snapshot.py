"""The memory after a text, by itself: kept in a file, inspected, compared, and gone on from with another text.

Only what the memory holds is kept, weights and momentum. Attention's window and the last inputs of the convolutions are
not: a text that is read from a snapshot begins anew in all but its memory. A file is safetensors: nothing in it can
run code.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as save_tensors

from titans_core import memory_file, recognise
from titans_core.errors import ConfigError, StoreError
from titans_core.layers.memory import MemoryState
from titans_core.memory.types import Weights
from titans_core.memory_file import Distance, Held, Measures
from titans_core.model import Model, ModelState

FORMAT = recognise.MEMORY


@dataclass(frozen=True)
class Snapshot:
    """weights, momentum: per layer of the model, per layer of its memory (H, D_in, D_out). facts: what it is of."""

    weights: tuple[Weights, ...]
    momentum: tuple[Weights, ...]
    facts: dict[str, Any]


def take(model: Model, state: ModelState, title: str = "", **facts: Any) -> Snapshot:
    """The memory of the first text of a batch after its last token. Raises ConfigError for a model without memory.

    title: of the text. The fact "texts" lists the titles of all that was read since the memory was empty, oldest first.
    """
    _check_memory(model)
    memories = [memory for memory in map(_memory, state.now) if memory is not None]
    before = [] if state.origin is None else json.loads(state.origin).get("texts", [""])
    own = {
        "checkpoint": model.name,
        "variant": model.config.variant,
        "model": state.model,
        "weights_sha256": model.weights_sha256,
        "tokens": state.position + state.pending.shape[1],
        "texts": [*before, memory_file.line(title)][-memory_file.MOST_TEXTS :],
    }
    one = lambda weights: tuple(w[0].detach().clone() for w in weights)  # noqa: E731
    return Snapshot(tuple(one(m.weights) for m in memories), tuple(one(m.momentum) for m in memories), own | facts)


def check_free(model: Model, path: Path) -> None:
    """Before a long run: raises ConfigError for a model without memory, StoreError where `path` is taken."""
    _check_memory(model)
    if os.path.lexists(path):
        raise StoreError(f"{path} exists already; choose another name or remove it")


def _check_memory(model: Model) -> None:
    if not model.config.has_memory:
        raise ConfigError(f"{model.name} is a {model.config.variant}, which has no memory to keep")


def begin(model: Model, snapshot: Snapshot) -> ModelState:
    """The state before the first token of a text that is read with this memory.

    Raises ConfigError for a memory of another model.
    """
    facts = snapshot.facts
    if (facts["model"], facts["weights_sha256"]) != (model.config.digest, model.weights_sha256):
        raise ConfigError(f"this memory is of {facts['checkpoint']}, with other weights than {model.name} has here")
    empty = model.start()
    if [_shapes(m.weights) for m in map(_memory, empty.now) if m] != [_shapes(w) for w in snapshot.weights]:
        raise ConfigError(f"this memory says that it is of {model.name}, but its weights are shaped otherwise")
    kept = zip(empty.layers, snapshot.weights, snapshot.momentum, strict=True)
    layers = tuple(_with_memory(layer, *(_one(ws, model.device) for ws in ends)) for layer, *ends in kept)
    return replace(empty, layers=layers, now=layers, origin=json.dumps(facts, sort_keys=True))


def _shapes(weights: Weights) -> list[tuple[int, ...]]:
    """Of one text: (H, D_in, D_out) of each layer of the memory."""
    return [tuple(w.shape[-3:]) for w in weights]


def _one(weights: Weights, device: torch.device) -> Weights:
    return tuple(w[None].to(device) for w in weights)


def _memory(layer: Any) -> MemoryState | None:
    """Of what a block carries: the memory alone, or beside attention's cache (mag, mal)."""
    parts = layer if type(layer) is tuple else (layer,)
    return next((part for part in parts if isinstance(part, MemoryState)), None)


def _with_memory(layer: Any, weights: Weights, momentum: Weights) -> Any:
    if isinstance(layer, MemoryState):
        return layer._replace(weights=weights, momentum=momentum)
    return tuple(_with_memory(part, weights, momentum) if isinstance(part, MemoryState) else part for part in layer)


def save(snapshot: Snapshot, path: Path) -> None:
    """Write a file, in one step. Raises StoreError where it cannot be written."""
    tensors = {
        f"{what}.{layer}.{depth}": w.contiguous().cpu()
        for what, layers in (("weights", snapshot.weights), ("momentum", snapshot.momentum))
        for layer, weights in enumerate(layers)
        for depth, w in enumerate(weights)
    }
    data = save_tensors(tensors, {"format": FORMAT, "facts": json.dumps(snapshot.facts)})
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        part.write_bytes(data)
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise StoreError(f"the memory cannot be written to {path}: {error.strerror}") from None


def load(path: Path) -> Snapshot:
    """Read what `save` wrote. Raises StoreError for a file that is missing, damaged or something else."""
    try:
        held = memory_file.read(path.read_bytes(), path.name)
    except OSError as error:
        raise StoreError(f"the memory {path.name} cannot be read: {error.strerror or error}") from None
    weights, momentum = (
        tuple(tuple(map(torch.from_numpy, ws)) for ws in layers) for layers in (held.weights, held.momentum)
    )
    return Snapshot(weights, momentum, held.facts)


def measures(snapshot: Snapshot) -> Measures:
    """How much each head holds, in how many directions."""
    return memory_file.measures(_held(snapshot))


def distance(one: Snapshot, other: Snapshot) -> Distance:
    """Raises ConfigError for memories of different models: their weights do not mean the same."""
    return memory_file.distance(_held(one), _held(other))


def _held(snapshot: Snapshot) -> Held:
    weights, momentum = (
        tuple(tuple(w.cpu().numpy() for w in ws) for ws in layers) for layers in (snapshot.weights, snapshot.momentum)
    )
    return Held(weights, momentum, snapshot.facts)
