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
from typing import Any

import numpy as np

from titans_core.errors import ConfigError
from titans_core.model import Model
from titans_core.probes.following import STEP, Asking, Axes, one_of
from titans_core.probes.reading_on import memories, read_on


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

    @property
    def every(self) -> int:
        """One of so many tokens was followed, from the first on."""
        return one_of(int(self.rows[-1]))

    def to_dict(self) -> dict[str, Any]:
        """For JSON: axes, and shares of all layers together (layer None) and of each; NaN and infinity as None."""
        return {
            "every": self.every,
            "rows": self.rows.tolist(),
            "times": self.times.tolist(),
            "lags": self.lags.tolist(),
            "layers": [self._layer(layer) for layer in (None, *range(len(self.gain)))],
        }

    def _layer(self, layer: int | None) -> dict[str, Any]:
        half, by_gates = (self.half_life(layer, gates=gates) for gates in (False, True))
        return {
            "layer": layer,
            "half_life": half if np.isfinite(half) else None,
            "half_life_by_gates": by_gates if np.isfinite(by_gates) else None,
            "left": _plain(self.curve(layer)),
            "left_by_gates": _plain(self.curve(layer, gates=True)),
            "map": _plain(self.map(layer)),
            "map_by_gates": _plain(self.map(layer, gates=True)),
        }


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


def _share(part: np.ndarray, gain: np.ndarray, layer: int | None) -> np.ndarray:
    part, gain = (x.sum(0) if layer is None else x[layer] for x in (part, gain))
    return np.where(gain > 0, part / np.where(gain > 0, gain, 1.0), np.nan)


def _plain(values: np.ndarray) -> Any:
    told = values.round(4).astype(object)
    told[~np.isfinite(values)] = None
    return told.tolist()
