"""A memory in a file, as `titans_core.snapshot` writes it: read with suspicion, measured and compared. Needs no torch.

A file may come from anybody. It is safetensors, so nothing in it can run code; names, shapes, numbers and facts are
checked before anything is done with them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load

from titans_core.errors import ConfigError, StoreError
from titans_core.moments.measure import effective_rank
from titans_core.recognise import MEMORY

Heads = tuple[np.ndarray, ...]  # per layer of a memory (H, D_in, D_out)

LONGEST = 200  # characters of a name or a title
MOST_TEXTS = 1_000
_BAD = (SafetensorError, ValueError, KeyError, TypeError, RecursionError)


@dataclass(frozen=True)
class Held:
    """weights, momentum: per layer of the model, per layer of its memory (H, D_in, D_out). facts: what it is of."""

    weights: tuple[Heads, ...]
    momentum: tuple[Heads, ...]
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


def read(data: bytes, name: str) -> Held:
    """The memory in the bytes of a file. Raises StoreError, about `name`, for one that is damaged or something else."""
    try:
        tensors = load(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        about = header.get("__metadata__") or {}
        if about.get("format") != MEMORY:
            raise StoreError(f"{name} is no memory of Titanscope; `titans trace --save-memory` makes one")
        weights, momentum = (_layers(tensors, what) for what in ("weights", "momentum"))
        _check_shapes(weights, momentum, len(tensors))
        return Held(weights, momentum, _facts(json.loads(about["facts"])))
    except _BAD as error:
        raise StoreError(f"the memory {name} cannot be read: {error}") from None


def _layers(tensors: dict[str, np.ndarray], what: str) -> tuple[Heads, ...]:
    """Raises KeyError or ValueError for names that are not those of a memory."""
    places = sorted(tuple(map(int, name.split(".")[1:])) for name in tensors if name.startswith(f"{what}."))
    layers = sorted({layer for layer, _ in places})
    if layers != list(range(len(layers))):
        raise ValueError(f"its layers are numbered {layers[:9]}")
    return tuple(tuple(tensors[f"{what}.{layer}.{depth}"] for at, depth in places if at == layer) for layer in layers)


def _check_shapes(weights: tuple[Heads, ...], momentum: tuple[Heads, ...], count: int) -> None:
    """Raises ValueError unless every layer has the same heads, momentum is shaped as weights, and all is finite."""
    shapes = [[[w.shape for w in layer] for layer in layers] for layers in (weights, momentum)]
    alike = all(layer == shapes[0][0] for layer in shapes[0])
    if (
        not weights
        or not weights[0]
        or not alike
        or shapes[0] != shapes[1]
        or count != 2 * len(weights) * len(shapes[0][0])
    ):
        raise ValueError("its tensors are not those of one memory")
    if any(len(shape) != 3 or 0 in shape or shape[0] != shapes[0][0][0][0] for shape in shapes[0][0]):
        raise ValueError(f"its weights are shaped {shapes[0][0][:4]}, not (heads, in, out)")
    for w in (w for layers in (*weights, *momentum) for w in layers):
        if w.dtype != np.float32:
            raise ValueError(f"its weights are {w.dtype}, not float32")
        if not np.isfinite(w).all():
            raise ValueError("it holds values that are not finite: the memory diverged, or the file was changed")


def _facts(facts: Any) -> dict[str, Any]:
    """Raises ValueError unless the facts are of the kind that `snapshot.take` notes."""
    if not isinstance(facts, dict):
        raise ValueError("it does not say what it is of")
    for name in ("checkpoint", "variant", "model", "weights_sha256"):
        if not _is_line(facts.get(name)) or not facts[name]:
            raise ValueError(f"it does not say its {name}")
    if type(facts.get("tokens")) is not int or facts["tokens"] < 0:
        raise ValueError("it does not say after how many tokens it was kept")
    texts = facts.get("texts", [])
    if not isinstance(texts, list) or len(texts) > MOST_TEXTS or not all(map(_is_line, texts)):
        raise ValueError("the titles of its texts cannot be shown")
    return facts


def _is_line(value: object) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST and value.isprintable()


def line(title: str) -> str:
    """A title as a memory can note it."""
    return "".join(c if c.isprintable() else " " for c in title)[:LONGEST].strip()


def measures(held: Held) -> Measures:
    """How much each head holds, in how many directions."""
    singular = [np.linalg.svd(weights[-1].astype(np.float64), compute_uv=False) for weights in held.weights]
    return Measures(_norms(held.weights), _norms(held.momentum), effective_rank(np.stack(singular)))


def same_model(one: Held, other: Held) -> bool:
    return all(one.facts[key] == other.facts[key] for key in ("model", "weights_sha256"))


def distance(one: Held, other: Held) -> Distance:
    """Raises ConfigError for memories of different models: their weights do not mean the same."""
    a, b = flat(one.weights), flat(other.weights)
    if not same_model(one, other) or a.shape != b.shape:
        names = f"{one.facts['checkpoint']} and {other.facts['checkpoint']}"
        raise ConfigError(f"the memories are of different models ({names}); only those of one can be compared")
    sizes = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    cosine = np.divide((a * b).sum(-1), sizes, out=np.full_like(sizes, np.nan), where=sizes > 0)
    return Distance(np.linalg.norm(a - b, axis=-1), cosine)


def flat(layers: tuple[Heads, ...]) -> np.ndarray:
    """(L, H, weights), float64."""
    return np.stack([np.concatenate([w.astype(np.float64).reshape(len(w), -1) for w in ws], 1) for ws in layers])


def _norms(layers: tuple[Heads, ...]) -> np.ndarray:
    return np.linalg.norm(flat(layers), axis=-1)
