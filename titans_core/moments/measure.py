"""What is recorded of a memory's weights at a moment, and what follows from it. Pure numpy.

Shapes: L layers of the model, H heads, N moments, R singular values of a head.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr

ROUNDING = 1e-13  # of the largest inner product: no direction that is moved in
_GRANULARITY = "moment: the weights after so many tokens"
_NORM = "Frobenius norm over heads and all layers of the memory"

# name -> (dims, long_name, units, source)
VARIABLES = {
    "tokens": (("moment",), "tokens read until this moment", "tokens", "position in the text"),
    "singular": (
        ("layer", "head", "moment", "rank"),
        "singular values of the memory's last layer, largest first; NaN where none were taken",
        "weight",
        "eq. 13, singular values of M_t",
    ),
    "gram": (
        ("layer", "moment", "other"),
        "inner product of the memory at two moments, over heads and all layers of the memory",
        "weight squared",
        "eq. 13, <M_t, M_s>",
    ),
}
DERIVED = {  # from gram
    "size": (("layer", "moment"), "size of the memory, |M_t|", "weight", f"eq. 13, {_NORM}"),
    "drift": (("layer", "moment"), "drift from the start, |M_t - M_0|", "weight", f"eq. 13, {_NORM}"),
    "moved": (("layer", "moment"), "way from the moment before, |M_t - M_s|", "weight", f"eq. 13, {_NORM}"),
}


class Path(NamedTuple):
    """The way of a memory through the space of its weights, along its main directions.

    places: (N, 2) the first two principal components of each moment, in the unit of weights; the last moment is at
    positive values. shares: (2,) how much of the variance over moments each has; 0 where nothing moves.
    """

    places: np.ndarray
    shares: np.ndarray


def dataset(tokens: np.ndarray, singular: np.ndarray, gram: np.ndarray) -> xr.Dataset:
    """VARIABLES and what follows from them, with their labels; `moved` is NaN at the first moment."""
    own = np.diagonal(gram, axis1=1, axis2=2)
    before = np.concatenate((np.full_like(own[:, :1], np.nan), np.diagonal(gram, 1, 1, 2)), 1)
    values = {
        "tokens": tokens,
        "size": _distance(own, np.zeros_like(own), np.zeros_like(own)),
        "drift": _distance(own, own[:, :1], gram[:, 0]),
        "moved": _distance(own, np.roll(own, 1, 1), before),
        "singular": singular,
        "gram": gram,
    }
    labelled = {}
    for name, (dims, long_name, units, source) in (VARIABLES | DERIVED).items():
        attrs = {"long_name": long_name, "units": units, "source": source, "granularity": _GRANULARITY}
        labelled[name] = (dims, values[name], attrs)
    return xr.Dataset(labelled)


def _distance(one: np.ndarray, other: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """|a - b| from |a|^2, |b|^2 and <a, b>; not finite where those are not, as of a run that diverged."""
    with np.errstate(all="ignore"):
        result: np.ndarray = np.sqrt(np.maximum(one + other - 2 * inner, 0))
    return result


def effective_rank(singular: np.ndarray) -> np.ndarray:
    """exp of the entropy of the singular values (..., R), divided by their sum (Roy and Vetterli 2007): (...).

    From 1, one direction, to R, all alike; 0 of no values but zeros, NaN where one is not finite.
    """
    singular = singular.astype(np.float64)
    total = singular.sum(-1, keepdims=True)
    share = np.divide(singular, total, out=np.zeros_like(singular), where=total != 0)
    logs = np.log(share, out=np.zeros_like(share), where=share > 0)
    rank = np.exp(-(share * logs).sum(-1))
    return np.where(np.isfinite(total[..., 0]), np.where(total[..., 0] > 0, rank, 0.0), np.nan)


def path(gram: np.ndarray) -> Path:
    """Principal components of N states from their inner products (N, N): no state is needed.

    With J = 1 - 11^T/N, J G J has the eigenvalues of the states' covariance, times N, and V sqrt(lambda) are their
    components. All NaN where one is not finite.
    """
    count = len(gram)
    if not np.isfinite(gram).all():
        return Path(np.full((count, 2), np.nan), np.full(2, np.nan))
    centred = gram - gram.mean(0) - gram.mean(1)[:, None] + gram.mean()
    values, vectors = np.linalg.eigh((centred + centred.T) / 2)
    values = np.maximum(values[::-1], 0)
    values = np.where(values > ROUNDING * np.abs(gram).max(), values, 0)
    places = np.zeros((count, 2))
    kept = min(2, count)
    places[:, :kept] = vectors[:, ::-1][:, :kept] * np.sqrt(values[:kept])
    places *= np.where(places[-1] < 0, -1, 1)
    shares = np.zeros(2)
    shares[:kept] = values[:kept] / values.sum() if values.sum() > 0 else 0
    return Path(places, shares)
