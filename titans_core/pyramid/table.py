"""What many tokens come down to: bins of tokens with their lowest, mean and highest value. Pure numpy.

A table of bins is float64 (rows, statistics, bins). float32 values and counts fit in it exactly.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

STATISTICS = ("min", "mean", "max", "peak", "finite", "infinite")
MIN, MEAN, MAX, PEAK, FINITE, INFINITE = range(len(STATISTICS))


class Bins(NamedTuple):
    """Tokens start..stop (n,) of each bin and what is in it: (n,), or (layers, n) where layers were asked for apart.

    min, mean, max: over the finite values of the bin, float64; NaN where it has none.
    peak: the token of `max`, the first of equals; -1 where the bin has no finite value.
    finite: how many values those are over. infinite: how many are +inf or -inf, which a figure has to name. The other
    `stop - start - finite - infinite` are NaN: undefined.
    """

    start: np.ndarray
    stop: np.ndarray
    min: np.ndarray
    mean: np.ndarray
    max: np.ndarray
    peak: np.ndarray
    finite: np.ndarray
    infinite: np.ndarray


def measure(values: np.ndarray, width: int, first: int = 0) -> np.ndarray:
    """(rows, t) of the tokens from `first` to a table of their bins of `width` tokens; the last may be partial."""
    rows, count = values.shape
    bins = -(-count // width)
    if bins * width > count:
        values = np.pad(values.astype(float), ((0, 0), (0, bins * width - count)), constant_values=np.nan)
    values = values.reshape(rows, bins, width)
    finite = np.isfinite(values)
    low, plain, high = values, values, values
    if not finite.all():
        low, plain, high = (np.where(finite, values, other) for other in (np.inf, 0, -np.inf))
    table = np.empty((rows, len(STATISTICS), bins))
    table[:, FINITE] = finite.sum(-1)
    table[:, INFINITE] = np.isinf(values).sum(-1)
    table[:, MIN] = low.min(-1)
    table[:, MAX] = high.max(-1)
    table[:, MEAN] = plain.sum(-1, dtype=np.float64) / np.maximum(table[:, FINITE], 1)
    table[:, PEAK] = high.argmax(-1) + np.arange(bins) * width + first
    return _blank(table)


def merge(table: np.ndarray, group: int) -> np.ndarray:
    """Every `group` bins of a table in one; the last of fewer."""
    rows, statistics, count = table.shape
    bins = -(-count // group)
    if bins * group > count:
        empty = np.zeros((rows, statistics, bins * group - count))
        table = np.concatenate((table, _blank(empty)), -1)
    parts = table.reshape(rows, statistics, bins, group)
    filled = np.where(np.isnan(parts), 0, parts)
    high = np.where(np.isnan(parts[:, MAX]), -np.inf, parts[:, MAX])
    result = filled.sum(-1)  # right for the two counts
    result[:, MIN] = np.fmin.reduce(parts[:, MIN], -1)
    result[:, MAX] = high.max(-1)
    result[:, MEAN] = (filled[:, MEAN] * filled[:, FINITE]).sum(-1) / np.maximum(result[:, FINITE], 1)
    result[:, PEAK] = np.take_along_axis(parts[:, PEAK], high.argmax(-1)[..., None], -1)[..., 0]
    return _blank(result)


def _blank(table: np.ndarray) -> np.ndarray:
    """NaN for the statistics of bins without a finite value."""
    table[:, :FINITE] = np.where(table[:, FINITE, None] > 0, table[:, :FINITE], np.nan)
    return table


def named(table: np.ndarray, start: int, width: int, total: int) -> Bins:
    """A table of the bins of `width` tokens from token `start` of `total`, as Bins with (rows, n)."""
    starts = start + width * np.arange(table.shape[-1])
    peak = np.where(np.isnan(table[:, PEAK]), -1, table[:, PEAK]).astype(np.int64)
    counts = table[:, FINITE:].astype(np.int64)
    stop = np.minimum(starts + width, total)
    return Bins(starts, stop, table[:, MIN], table[:, MEAN], table[:, MAX], peak, counts[:, 0], counts[:, 1])
