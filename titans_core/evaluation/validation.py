"""Bits per byte on held-out documents, each read from an empty memory."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from titans_core.errors import ConfigError
from titans_core.model import Model
from titans_core.settings import Settings

SLAB = 2048


class Score(NamedTuple):
    """Bits per byte over all documents, and over the tokens past the first 512 of each (beyond every window)."""

    bits_per_byte: float
    bits_per_token: float
    late_bits_per_token: float
    tokens: int
    seconds: float


def evaluate(model: Model, documents: list[tuple[np.ndarray, int]], settings: Settings, batch: int = 16) -> Score:
    """documents: (token ids, bytes of text). The first token of each is predicted from the separator, as in training.

    Documents of like length are read side by side; what is read after a document's end changes nothing before it.
    """
    if not any(size for _, size in documents):
        raise ConfigError("there are no documents to measure on; give a validation file with at least one text")
    begun = time.monotonic()
    ordered = sorted((ids for ids, _ in documents if len(ids)), key=len)
    bits = late = 0.0
    tokens = late_tokens = 0
    for group in _groups(ordered, batch):
        losses = _losses(model, group, settings)
        for ids, losses_row in zip(group, losses, strict=True):
            row = losses_row[: len(ids)].double()
            bits += row.sum().item()
            late += row[512:].sum().item()
            tokens += len(ids)
            late_tokens += max(0, len(ids) - 512)
    size = sum(n for _, n in documents)
    return Score(bits / size, bits / tokens, late / max(1, late_tokens), tokens, time.monotonic() - begun)


def _groups(ordered: list[np.ndarray], batch: int) -> Iterator[list[np.ndarray]]:
    """At most `batch` documents of like length: the longest is at most a third longer than the shortest."""
    group: list[np.ndarray] = []
    for ids in ordered:
        if group and (len(group) == batch or 3 * len(ids) > 4 * len(group[0])):
            yield group
            group = []
        group.append(ids)
    if group:
        yield group


def _losses(model: Model, group: list[np.ndarray], settings: Settings) -> Tensor:
    """-log2 p of every token: (documents, longest)."""
    longest = max(len(ids) for ids in group)
    separator = model.tokenizer.separator
    rows = np.full((len(group), longest + 1), separator, dtype=np.int64)
    for row, ids in zip(rows, group, strict=True):
        row[1 : len(ids) + 1] = ids
    stream = torch.from_numpy(rows).to(model.device)
    parts, state = [], None
    with torch.inference_mode():
        for start in range(0, longest, SLAB):
            stop = min(longest, start + SLAB)
            logits, state, _ = model(stream[:, start:stop], state, settings=settings)
            target = stream[:, start + 1 : stop + 1]
            parts.append(
                F.cross_entropy(logits.flatten(0, 1), target.flatten(), reduction="none").view_as(target).cpu()
            )
    return torch.cat(parts, 1) / math.log(2)
