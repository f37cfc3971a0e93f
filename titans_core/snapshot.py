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
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as save_tensors

from titans_core import recognise
from titans_core.errors import ConfigError, StoreError
from titans_core.layers.memory import MemoryState
from titans_core.memory.types import Weights
from titans_core.model import Model, ModelState
from titans_core.moments.measure import effective_rank

FORMAT = recognise.MEMORY


@dataclass(frozen=True)
class Snapshot:
    """weights, momentum: per layer of the model, per layer of its memory (H, D_in, D_out). facts: what it is of."""

    weights: tuple[Weights, ...]
    momentum: tuple[Weights, ...]
    facts: dict[str, Any]


class Measures(NamedTuple):
    """Of each layer and head, (L, H): |M|, |S|, and the effective rank of the memory's last layer."""

    size: np.ndarray
    momentum: np.ndarray
    rank: np.ndarray


class Distance(NamedTuple):
    """Of two memories, (L, H): |A - B|, and the cosine of A and B (NaN where one is empty)."""

    distance: np.ndarray
    cosine: np.ndarray


def take(model: Model, state: ModelState, **facts: Any) -> Snapshot:
    """The memory of the first text of a batch after its last token. Raises ConfigError for a model without memory."""
    _check_memory(model)
    memories = [memory for memory in map(_memory, state.now) if memory is not None]
    own = {
        "checkpoint": model.name,
        "variant": model.config.variant,
        "model": state.model,
        "weights_sha256": model.weights_sha256,
        "tokens": state.position + state.pending.shape[1],
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
    kept = zip(empty.layers, snapshot.weights, snapshot.momentum, strict=True)
    layers = tuple(_with_memory(layer, *(_one(ws, model.device) for ws in ends)) for layer, *ends in kept)
    return replace(empty, layers=layers, now=layers, origin=json.dumps(facts, sort_keys=True))


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
        with safe_open(path, "pt") as file:
            about = file.metadata() or {}
            if about.get("format") != FORMAT:
                raise StoreError(f"{path.name} is no memory of Titanscope; `titans trace --save-memory` makes one")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no dict)
        ends = [_layers(tensors, what) for what in ("weights", "momentum")]
        return Snapshot(ends[0], ends[1], dict(json.loads(about["facts"])))
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        raise StoreError(f"the memory {path.name} cannot be read: {error}") from None


def _layers(tensors: dict[str, torch.Tensor], what: str) -> tuple[Weights, ...]:
    """Raises KeyError or ValueError for names that are not those of `save`."""
    places = sorted(tuple(map(int, name.split(".")[1:])) for name in tensors if name.startswith(f"{what}."))
    layers: list[Weights] = []
    for layer in range(places[-1][0] + 1 if places else 0):
        layers.append(tuple(tensors[f"{what}.{layer}.{depth}"] for at, depth in places if at == layer))
    return tuple(layers)


def measures(snapshot: Snapshot) -> Measures:
    """How much each head holds, in how many directions."""
    singular = [torch.linalg.svdvals(weights[-1].double()).numpy() for weights in snapshot.weights]
    return Measures(_norms(snapshot.weights), _norms(snapshot.momentum), effective_rank(np.stack(singular)))


def distance(one: Snapshot, other: Snapshot) -> Distance:
    """Raises ConfigError for memories of different models: their weights do not mean the same."""
    if any(one.facts[key] != other.facts[key] for key in ("model", "weights_sha256")):
        names = f"{one.facts['checkpoint']} and {other.facts['checkpoint']}"
        raise ConfigError(f"the memories are of different models ({names}); only those of one can be compared")
    a, b = _flat(one.weights), _flat(other.weights)
    sizes = a.norm(dim=-1) * b.norm(dim=-1)
    cosine = torch.where(sizes > 0, (a * b).sum(-1) / sizes, torch.nan)
    return Distance((a - b).norm(dim=-1).numpy(), cosine.numpy())


def _flat(layers: tuple[Weights, ...]) -> torch.Tensor:
    """(L, H, weights), float64."""
    return torch.stack([torch.cat([w.double().flatten(1) for w in weights], 1) for weights in layers])


def _norms(layers: tuple[Weights, ...]) -> np.ndarray:
    norms: np.ndarray = _flat(layers).norm(dim=-1).numpy()
    return norms
