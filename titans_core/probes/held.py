"""What the memory itself holds of a span of a document, as it reads on: M_s(k) against v for the tokens of the span."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from titans_core.layers.listen import Listener
from titans_core.layers.memory import read_all
from titans_core.memory.types import Weights
from titans_core.model import Model
from titans_core.probes.reading_on import memories


class Held(NamedTuple):
    """Of a span of n tokens, layer by layer; the heads of a layer are taken for one vector, tokens are averaged.

    tokens (P,): read at each point. loss (P, L): |M_s(k) - v|^2, as the trace's `loss` (eq. 12), with the memory M_s
    of that point; cosine (P, L): of M_s(k) and v, -1..1, 0 for what an empty memory says.
    loss_before, cosine_before (L,): with the memory as it was before the span was read, at most 32 tokens earlier.
    loss_removed, cosine_removed (P, L): with the memory of a reading of the same document without the span.
    cosine_shuffled (P, L): with each token's key exchanged for that of another token of the span, which tells whether
    the memory knows which belongs to which. NaN for a span of one token.
    """

    tokens: np.ndarray
    loss: np.ndarray
    cosine: np.ndarray
    loss_before: np.ndarray
    cosine_before: np.ndarray
    loss_removed: np.ndarray
    cosine_removed: np.ndarray
    cosine_shuffled: np.ndarray


class Follower(Listener):
    """Follows one layer's memory of the span start..end (tokens), to be measured at `points`, which ascend from end."""

    def __init__(self, start: int, end: int, points: np.ndarray) -> None:
        super().__init__()
        self.tokens: list[int] = []
        self.found: list[Tensor] = []  # at each point: (3,) loss, cosine, cosine of shuffled keys
        self.span = end - start
        self._start, self._end, self._points = start, end, points
        self._earlier: Weights = ()
        self._keys: dict[int, tuple[Tensor, Tensor]] = {}  # by the place of the first: k, v (H, t, D)

    def writes(self, at: int, k: Tensor, v: Tensor, theta: Tensor, eta: Tensor, alpha: Tensor) -> None:
        low, high = max(self._start - at, 0), min(self._end - at, k.shape[2])
        if low < high:
            self._keys[at + low] = k[0, :, low:high], v[0, :, low:high]

    def passes(self, at: int, weights: Weights) -> None:
        if at <= self._start:
            self._earlier = weights
        elif at >= self._end and len(self._points) and at >= self._points[0]:
            self.tokens.append(at)
            self.found.append(self.measure(weights))
            self._points = self._points[np.searchsorted(self._points, at, side="right") :]

    def before(self) -> Tensor:
        """(3,) as in `found`, with the memory before the span."""
        return self.measure(self._earlier)

    def measure(self, weights: Weights) -> Tensor:
        """(3,) as in `found`, with this memory."""
        k, v = self._span()
        read = [_stacked(read_all(tuple(w[0] for w in weights), keys)) for keys in (k, k.roll(1, 1))]
        wanted = _stacked(v)
        loss = (read[0] - wanted).square().sum(-1)
        right, other = (F.cosine_similarity(r, wanted, dim=-1, eps=1e-12) for r in read)
        return torch.stack((loss.mean(), right.mean(), other.mean()))

    def _span(self) -> tuple[Tensor, Tensor]:
        """k, v (H, n, D). A segment that was read in two parts comes twice: what came first is overwritten."""
        parts = sorted(self._keys.items())
        k, v = (like.new_empty(like.shape[0], self.span, like.shape[2]) for like in parts[0][1])
        for at, (some_k, some_v) in parts:
            here = slice(at - self._start, at - self._start + some_k.shape[1])
            k[:, here], v[:, here] = some_k, some_v
        return k, v


class Bystander(Listener):
    """Measures another memory, which never read the span, by the keys and values that `follower` heard."""

    def __init__(self, follower: Follower, points: np.ndarray) -> None:
        super().__init__()
        self.found: list[Tensor] = []
        self._follower, self._points = follower, points

    def passes(self, at: int, weights: Weights) -> None:
        while len(self._points) and at >= self._points[0]:
            self.found.append(self._follower.measure(weights))
            self._points = self._points[1:]


def followers(model: Model, start: int, end: int, points: np.ndarray) -> list[Follower]:
    """One for each memory layer of the model, for `read_on`."""
    return [Follower(start, end, points) for _ in memories(model)]


def bystanders(layers: list[Follower]) -> list[Bystander]:
    """For a reading of the document without the span, as far as the last point: the same points of what is left."""
    return [Bystander(layer, np.array(layer.tokens) - layer.span) for layer in layers]


def held(layers: list[Follower], others: list[Bystander]) -> Held:
    """What they found, once both documents are read."""
    with torch.inference_mode():
        before = torch.stack([layer.before() for layer in layers]).double().cpu().numpy()
    loss, cosine, shuffled = _found(layers)
    loss_removed, cosine_removed, _ = _found(others)
    if layers[0].span == 1:
        shuffled = np.full_like(shuffled, np.nan)
    tokens = np.array(layers[0].tokens)
    return Held(tokens, loss, cosine, before[:, 0], before[:, 1], loss_removed, cosine_removed, shuffled)


def _found(layers: Sequence[Follower | Bystander]) -> np.ndarray:
    """(3, P, L)"""
    found = torch.stack([torch.stack(layer.found) for layer in layers], 1)
    return np.moveaxis(found.double().cpu().numpy(), -1, 0)


def _stacked(x: Tensor) -> Tensor:
    """(H, n, D) to (n, H * D)."""
    return x.transpose(0, 1).flatten(1)
