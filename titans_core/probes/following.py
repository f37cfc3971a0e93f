"""What a retention map is made of: which tokens are followed and when they are asked for, and one layer being asked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from titans_core.layers.listen import Listener
from titans_core.layers.memory import MemoryLayer, read_all
from titans_core.memory.scan import memory_scan
from titans_core.memory.types import Weights, zeros_like
from titans_core.probes.gates import Left

STEP = 32  # tokens: a memory tells its weights at least so often
MOST = 20_000  # tokens that are followed; of a longer document they are taken evenly


def one_of(total: int) -> int:
    """Of a document of `total` tokens one of so many is followed, from the first on."""
    return -(-total // MOST)


@dataclass(frozen=True)
class Axes:
    """followed (N,): tokens that are asked for. The rest as in `Retention`."""

    followed: np.ndarray
    rows: np.ndarray
    times: np.ndarray
    lags: np.ndarray

    @classmethod
    def of(cls, total: int, rows: int, times: int) -> Axes:
        followed = np.arange(0, total, one_of(total))
        asked = np.unique(np.linspace(STEP, total // STEP * STEP, times).round().astype(np.int64) // STEP * STEP)
        borders = np.unique(np.linspace(0, total, min(rows, total) + 1).round().astype(np.int64))
        lags = np.unique(np.geomspace(1, total + 1, 48).round().astype(np.int64)) - 1
        return cls(followed, borders, asked, lags)


class Asking(Listener):
    """Follows one layer: writes what it writes into a memory of its own, and asks that one.

    by_row (3, W, S), by_lag (3, K): gain, left, and left by the gates alone, added up over tokens and heads.
    """

    def __init__(self, layer: MemoryLayer, axes: Axes) -> None:
        super().__init__()
        self._layer, self._axes = layer, axes
        self._weights: Weights = tuple(w.detach() for w in layer.start(1).weights)
        self._momentum = zeros_like(self._weights)
        self._keys: list[tuple[Tensor, Tensor]] = []  # of the followed tokens read so far: k, v (H, n, D)
        self._before: list[np.ndarray] = []  # (H, n): the loss before each was written
        self._gain: list[np.ndarray] = []
        self._left = Left(layer.heads)
        self.by_row = np.zeros((3, len(axes.rows) - 1, len(axes.times)))
        self.by_lag = np.zeros((3, len(axes.lags) - 1))

    def writes(self, at: int, k: Tensor, v: Tensor, theta: Tensor, eta: Tensor, alpha: Tensor) -> None:
        times, total = self._axes.times, at + k.shape[2]
        cuts = [int(time) - at for time in times[(times > at) & (times < total)]]
        for low, high in zip([0, *cuts], [*cuts, k.shape[2]], strict=True):
            self._write(at + low, *(x[:, :, low:high] for x in (k, v, theta, eta, alpha)))
            here = np.flatnonzero(times == at + high)
            if len(here):
                self._ask(int(here[0]))

    def _write(self, at: int, k: Tensor, v: Tensor, theta: Tensor, eta: Tensor, alpha: Tensor) -> None:
        state = self._weights, self._momentum
        size, cap = self._layer.chunk, self._layer.step_cap
        scan = memory_scan(k, k, v, theta, eta, alpha, *state, chunk=size, signals=True, step_cap=cap)
        assert scan.signals is not None  # noqa: S101 (asked for)
        self._weights, self._momentum = scan.weights, scan.momentum
        self._left.add(*(gate[0].double().cpu().numpy() for gate in (eta, alpha)))
        chosen = self._axes.followed[(self._axes.followed >= at) & (self._axes.followed < at + k.shape[2])] - at
        if not len(chosen):
            return
        before = scan.signals["loss"][0].double().cpu().numpy()
        after = (scan.reads - v).square().sum(-1)[0].double().cpu().numpy()
        self._keys.append((k[0, :, chosen], v[0, :, chosen]))
        self._before.append(before[:, chosen])
        self._gain.append((before - after)[:, chosen])

    def _ask(self, column: int) -> None:
        """Add up what is left now of everything followed so far."""
        k, v = (torch.cat(parts, 1) for parts in zip(*self._keys, strict=True))
        self._keys = [(k, v)]
        loss = (read_all(tuple(w[0] for w in self._weights), k) - v).square().sum(-1).double().cpu().numpy()
        gain, before = np.concatenate(self._gain, 1), np.concatenate(self._before, 1)
        tokens = self._axes.followed[: gain.shape[1]]
        stands = self._left.now()[:, tokens]
        found = np.stack([gain.sum(0), (before - loss).sum(0), (gain * stands).sum(0)])
        row = np.searchsorted(self._axes.rows, tokens, side="right") - 1
        lag = np.searchsorted(self._axes.lags, self._axes.times[column] - 1 - tokens, side="right") - 1
        for part, values in enumerate(found):
            self.by_row[part, :, column] = np.bincount(row, values, self.by_row.shape[1])
            self.by_lag[part] += np.bincount(lag, values, self.by_lag.shape[1])
