"""How long a memory can still say what it wrote: every token of a document, asked for at later and later times.

A token's write makes the memory's answer to its key better by some gain, |M_{t-1}(k_t) - v_t|^2 - |M_t(k_t) - v_t|^2.
What is left at time s is the share of that gain that M_s still has: 1 right after the write, 0 where the memory answers
as it did before, more than 1 where later tokens made it better still, less than 0 where they spoiled it. Gains of
many tokens are added up before the share is taken, so a token that wrote nothing counts for nothing.

The gates alone say something else: A[s,t] of docs/math.md, how much of the write itself stands in the weights. Where
the two part, other writes came over it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from titans_core.errors import ConfigError
from titans_core.layers.listen import Listener
from titans_core.layers.memory import MemoryLayer, read_all
from titans_core.memory.scan import memory_scan
from titans_core.memory.types import Weights, zeros_like
from titans_core.model import Model
from titans_core.probes.gates import Left
from titans_core.probes.reading_on import memories, read_on

STEP = 32  # tokens: a memory tells its weights at least so often
MOST = 20_000  # tokens that are followed; of a longer document they are taken evenly


@dataclass(frozen=True)
class Retention:
    """Of L layers, W rows of tokens that were written together, S times and K lags.

    rows (W + 1,): token rows[w] to rows[w + 1] - 1 are row w. times (S,): tokens read when asked. lags (K + 1,): lag k
    is from lags[k] to lags[k + 1] - 1 tokens after the write. gain, left, gates (L, W, S): gains of the row's tokens
    read by then; what the memory still has of them; what it would have if only the gates mattered. The same by lag:
    lag_gain, lag_left, lag_gates (L, K). All in squared error.
    """

    rows: np.ndarray
    times: np.ndarray
    lags: np.ndarray
    gain: np.ndarray
    left: np.ndarray
    gates: np.ndarray
    lag_gain: np.ndarray
    lag_left: np.ndarray
    lag_gates: np.ndarray

    def map(self, layer: int | None = None, *, gates: bool = False) -> np.ndarray:
        """(W, S): the share that is left, or by the gates alone would be. NaN where nothing was written yet."""
        return _share(self.gates if gates else self.left, self.gain, layer)

    def curve(self, layer: int | None = None, *, gates: bool = False) -> np.ndarray:
        """(K,): the same by lag."""
        return _share(self.lag_gates if gates else self.lag_left, self.lag_gain, layer)

    def half_life(self, layer: int | None = None, *, gates: bool = False) -> float:
        """Tokens after which at most half is left for the first time; infinite where that does not happen.

        Few tokens, the first of the document, have the longest lags: there a curve may rise again.
        """
        half = np.flatnonzero(self.curve(layer, gates=gates) <= 0.5)
        return float(self.lags[half[0]]) if len(half) else float("inf")


def retention(
    model: Model,
    ids: np.ndarray,
    *,
    rows: int = 128,
    times: int = 128,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Retention:
    """Read the tokens `ids` (T,) and ask for them all the while. progress(done, total): tokens; may raise to cancel.

    Raises ConfigError for a model without memory and fewer than 2 * STEP tokens.
    """
    layers = memories(model)
    if not layers:
        raise ConfigError(f"{model.name} is a {model.config.variant}, which has no memory that could retain anything")
    if len(ids) < 2 * STEP:
        raise ConfigError(f"the document has {len(ids)} tokens; a retention map needs at least {2 * STEP}")
    axes = Axes.of(len(ids), rows, times)
    asking = [Asking(layer, axes) for layer in layers]
    done = 0

    def told(tokens: int) -> None:
        nonlocal done
        done += tokens
        progress(done, len(ids))

    list(read_on(model, ids, listeners=asking, progress=told))
    tables = [np.stack([getattr(one, name) for one in asking]) for name in ("by_row", "by_lag")]
    gain, left, gates, lag_gain, lag_left, lag_gates = (part for table in tables for part in np.moveaxis(table, 1, 0))
    return Retention(axes.rows, axes.times, axes.lags, gain, left, gates, lag_gain, lag_left, lag_gates)


@dataclass(frozen=True)
class Axes:
    """followed (N,): tokens that are asked for. The rest as in Retention."""

    followed: np.ndarray
    rows: np.ndarray
    times: np.ndarray
    lags: np.ndarray

    @classmethod
    def of(cls, total: int, rows: int, times: int) -> Axes:
        followed = np.arange(0, total, -(-total // MOST))
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


def _share(part: np.ndarray, gain: np.ndarray, layer: int | None) -> np.ndarray:
    part, gain = (x.sum(0) if layer is None else x[layer] for x in (part, gain))
    return np.where(gain > 0, part / np.where(gain > 0, gain, 1.0), np.nan)
