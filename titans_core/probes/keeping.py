"""Does surprise drive what is kept? Ranks of surprise against what the memory still holds of each token at the end.

A later token has had less time to fade, so the rank of its position is taken out of both (partial Spearman).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from titans_core.errors import ConfigError
from titans_core.lasting import lasting
from titans_core.probes import blocks
from titans_core.probes.blocks import Estimate
from titans_core.probes.sanity import MIN_TOKENS
from titans_core.signals import SIGNALS, sum_layers

DRIVERS = ("surprise", "momentary", "nll")


@dataclass(frozen=True)
class Keeping:
    """Of one trace, all layers together.

    surprise, momentary, nll: partial rank correlation, -1..1, of the gradient norm, the push theta |grad| and the
    surprisal with what is left at the end, position taken out, with a 95 % interval from resampled blocks of `block`
    neighbouring tokens. tenth: share of all that is left that stems from the tenth of tokens with the highest
    surprise, 0..1; 0.1 if surprise said nothing. tokens were used, those after the first `skip`.
    """

    surprise: Estimate
    momentary: Estimate
    nll: Estimate
    tenth: float
    tokens: int
    block: int

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        estimates = {name: getattr(self, name)._asdict() for name in DRIVERS}
        return estimates | {"tenth": self.tenth, "tokens": self.tokens, "block": self.block}


def keeping(ds: xr.Dataset, *, skip: int = 128, count: int = 1000, seed: int = 0) -> Keeping:
    """skip: tokens at the start that are left out: to an empty memory all is new. count: resamples; seed: of these.

    Raises ConfigError for a trace without the gates of each head, and for fewer than MIN_TOKENS tokens after `skip`.
    """
    left = lasting(ds).astype(np.float64)
    drivers = np.stack([_column(ds, name) for name in DRIVERS])
    used = np.flatnonzero(np.isfinite(drivers).all(0) & np.isfinite(left))
    used = used[used >= skip]
    if len(used) < MIN_TOKENS:
        raise ConfigError(f"{len(used)} tokens are defined after the first {skip}; at least {MIN_TOKENS} are needed")
    places = [blocks.ties(values) for values in (*drivers[:, used], left[used], used)]
    ones = np.ones(len(used))
    block = blocks.block_length(blocks.influence(*(blocks.mid_ranks(places[k], ones) for k in (0, -2))))
    draws = [partial(blocks.rank_correlations(places, w)) for w in blocks.resamples(len(used), block, count, seed)]
    values = partial(blocks.rank_correlations(places, ones))
    found = {
        name: blocks.correlation_interval(float(values[k]), np.array(draws)[:, k], len(used) / block)
        for k, name in enumerate(DRIVERS)
    }
    highest = used[np.argsort(-drivers[0, used], kind="stable")[: max(1, len(used) // 10)]]
    return Keeping(**found, tenth=float(left[highest].sum() / left[used].sum()), tokens=len(used), block=block)


def partial(correlations: np.ndarray) -> np.ndarray:
    """(k + 2, k + 2) of k drivers, what is left, and position, to (k,): driver with what is left, position taken out.

    (r_xy - r_xz r_yz) / sqrt((1 - r_xz^2) (1 - r_yz^2)), z the position.
    """
    x_y, x_z, y_z = correlations[:-2, -2], correlations[:-2, -1], correlations[-2, -1]
    return np.asarray((x_y - x_z * y_z) / np.sqrt((1 - x_z**2) * (1 - y_z**2)))


def _column(ds: xr.Dataset, name: str) -> np.ndarray:
    values = ds[name].values.astype(np.float64)
    return sum_layers(name, values) if "layer" in ds[name].dims and name in SIGNALS else values
