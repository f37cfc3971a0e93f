"""Rank correlations of tokens that depend on their neighbours: mid-ranks, resampling in blocks, intervals."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

_LARGEST = 1 - 1e-12  # atanh(1) is infinite


class Estimate(NamedTuple):
    """A value with its 95 % interval; NaN where the signal or the measure is constant or hardly ever defined."""

    value: float
    low: float
    high: float


def ties(values: np.ndarray) -> np.ndarray:
    """values (n,) to int (n,): the place of each among the distinct values, from 0. Equal values share it."""
    return np.unique(values, return_inverse=True)[1]


def mid_ranks(place: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mid-ranks of values whose `ties` are `place` (n,), each taken weights (n,) times, as shares -1/2..1/2, mean 0.

    No sort: the order of the values is that of the original, whatever is drawn how often.
    """
    count = np.bincount(place, weights=weights)
    upto = np.cumsum(count)
    return ((upto - count / 2) / upto[-1] - 0.5)[place]


def rank_correlations(places: list[np.ndarray], weights: np.ndarray) -> np.ndarray:
    """Spearman's (k, k) for k variables given as `ties` (n,); NaN in the rows of one that is constant."""
    ranks = np.stack([mid_ranks(place, weights) for place in places])
    covariance = (ranks * weights) @ ranks.T
    size = np.sqrt(np.diag(covariance))
    size[size == 0] = np.nan  # mid-ranks of a constant are exactly 0
    return np.clip(covariance / np.outer(size, size), -1.0, 1.0)


def explained(among: np.ndarray, with_signal: np.ndarray) -> float:
    """R^2 of a linear fit, 0..1, from the correlations among (m, m) the measures and with_signal (m,).

    Measures that are constant (NaN) say nothing.
    """
    known = np.isfinite(with_signal)
    if not known.any():
        return math.nan
    among, r = among[np.ix_(known, known)], with_signal[known]
    return float(np.clip(r @ np.linalg.pinv(among, rcond=1e-9, hermitian=True) @ r, 0, 1))


def correlation_interval(value: float, draws: np.ndarray, blocks: float) -> Estimate:
    """Around a correlation, symmetric in atanh by the deviation of the resamples' (count,); blocks: in a resample."""
    draws = draws[np.isfinite(draws)]
    if not np.isfinite(value) or len(draws) < 2:
        return Estimate(math.nan, math.nan, math.nan)
    centre = float(np.arctanh(np.clip(value, -_LARGEST, _LARGEST)))
    half = _student(blocks - 1) * float(np.arctanh(np.clip(draws, -_LARGEST, _LARGEST)).std(ddof=1))
    return Estimate(float(value), math.tanh(centre - half), math.tanh(centre + half))


def share_interval(value: float, draws: np.ndarray, blocks: float) -> Estimate:
    """R^2 less its bias (the mean of the resamples less R^2), symmetric around that, all clipped to 0..1."""
    draws = draws[np.isfinite(draws)]
    if not np.isfinite(value) or len(draws) < 2:
        return Estimate(math.nan, math.nan, math.nan)
    centre, half = 2 * value - float(draws.mean()), _student(blocks - 1) * float(draws.std(ddof=1))
    return Estimate(*(float(np.clip(x, 0, 1)) for x in (centre, centre - half, centre + half)))


def _student(freedom: float) -> float:
    """97.5 % of Student's t lie below: Abramowitz and Stegun 26.7.5, 1 % low at 3 degrees of freedom."""
    z, f = 1.959963984540054, max(freedom, 3.0)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return z + sum(term / f**power for power, term in enumerate(terms, 1))


def influence(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """How far each token pulls the correlation of x and y (n,), both of mean 0; zeros where that is undefined.

    Mean 0, and its mean over a resample moves as the correlation does, to first order, ranks held fixed.
    """
    size = np.sqrt([np.mean(x * x), np.mean(y * y)])
    if not (size > 0).all():
        return np.zeros(len(x))
    x, y = x / size[0], y / size[1]
    pull = x * y - np.mean(x * y) * (x * x + y * y) / 2
    return np.where(np.abs(pull) < 1e-9, 0.0, pull)  # of a perfect correlation only rounding is left


def block_length(series: np.ndarray) -> int:
    """Tokens of one block for the mean of `series` (T,), by the rule of Politis and White.

    Econometric Reviews 23 (2004) 53-70, corrected by Patton, Politis and White, 28 (2009) 372-375, circular blocks:
    b = (3/2 (G / g)^2 T)^(1/3), where g sums the autocovariances R(k) and G sums |k| R(k), both under a flat-top
    window as wide as twice the last lag at which the series is still correlated. At least T^(1/3), rounded up, and at
    most the smaller of 3 sqrt(T) and T/4.
    """
    length = len(series)
    least, most = int(np.ceil(length ** (1 / 3))), int(min(3 * np.sqrt(length), length / 4))
    covariance = _autocovariance(series, 2 * most)
    if covariance[0] <= 0:
        return least
    lags = min(2 * _last_correlated(covariance / covariance[0], length, most), len(covariance) - 1)
    k = np.arange(lags + 1)
    window = np.clip(2 - 2 * k / max(lags, 1), 0, 1) * np.where(k > 0, 2, 1)  # 2: the lags on both sides
    g, moment = (window * covariance[: lags + 1]).sum(), (window * k * covariance[: lags + 1]).sum()
    if g <= 0:
        return least
    return int(np.clip(np.ceil((1.5 * (moment / g) ** 2 * length) ** (1 / 3)), least, max(least, most)))


def independent_share(series: np.ndarray, block: int) -> float:
    """How many independent values would fix the mean of `series` (T,), of mean 0, as well as its T do; of T, at most 1.

    The variance of one value over that of a block's sum per token, over all circular blocks.
    """
    single = float(np.mean(series**2))
    sums = np.cumsum(np.concatenate([[0.0], series, series[: block - 1]]))
    sums = sums[block:] - sums[:-block]
    spread = float(np.mean(sums**2)) / block
    return min(1.0, single / spread) if spread > 0 else 1.0


def resamples(length: int, block: int, count: int, seed: int) -> Iterator[np.ndarray]:
    """`count` times, how often each of `length` tokens is drawn: float (length,), sum `length`.

    Blocks of neighbours start anywhere, with replacement; one that runs over the end goes on at the start, so that
    every token is as likely as another (Politis and Romano's circular form of the moving-block bootstrap). The last
    block is cut to fit.
    """
    rng = np.random.default_rng(seed)
    blocks = -(-length // block)
    sizes = np.full(blocks, block)
    sizes[-1] = length - block * (blocks - 1)
    for _ in range(count):
        start = rng.integers(length, size=blocks)
        begun, ended = (np.bincount(at, minlength=length + block + 1) for at in (start, start + sizes))
        drawn = np.cumsum(begun - ended)
        drawn[:block] += drawn[length : length + block]
        yield drawn[:length].astype(np.float64)


def _autocovariance(series: np.ndarray, lags: int) -> np.ndarray:
    """R(0)..R(lags), at most T - 1, of a series of mean 0."""
    lags = min(lags, len(series) - 1)
    size = 1 << (len(series) + lags).bit_length()
    power = np.abs(np.fft.rfft(series, size)) ** 2
    return np.fft.irfft(power, size)[: lags + 1] / len(series)


def _last_correlated(correlation: np.ndarray, length: int, most: int) -> int:
    """The smallest m after which the next few correlations are all within noise; `most` if there is none."""
    few = max(5, int(np.ceil(np.sqrt(np.log10(length)))))
    noise = 2 * np.sqrt(np.log10(length) / length)
    loud = np.flatnonzero(np.abs(correlation[1 : most + few + 1]) >= noise) + 1
    edges = np.concatenate([[0], loud, [most + few + 1]])
    gap = np.flatnonzero(np.diff(edges) > few)
    return min(int(edges[gap[0]]), most) if len(gap) else most
