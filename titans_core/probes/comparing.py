"""Runs of one text side by side: on one axis, where they differ, and how far they agree."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import xarray as xr

from titans_core.errors import ConfigError
from titans_core.interventions import written
from titans_core.passages import Passage, passages
from titans_core.probes import blocks
from titans_core.probes.blocks import Estimate
from titans_core.probes.pieces import per_character
from titans_core.settings import Settings
from titans_core.signals import SIGNALS, sum_heads, sum_layers

TOP = 0.05  # the highest share of tokens whose overlap is counted
MIN_PLACES = 64  # below, no interval: blocks of neighbours could not be told apart


class Aligned(NamedTuple):
    """values (runs, n) of one signal on one axis; start, end (n,): the characters that each place covers.

    unit: "token" where the runs have the same tokens. Else "character": each has the value of the token it lies in,
    because a token of one model may be part of one, or several, of another.
    """

    values: np.ndarray
    start: np.ndarray
    end: np.ndarray
    unit: str


@dataclass(frozen=True)
class Agreement:
    """How far two runs agree on where a signal is high.

    correlation: Spearman's, over the places where both are defined, with a 95 % interval from resampled blocks of
    neighbouring tokens; NaN for fewer than MIN_PLACES. overlap: of the `top` highest places of one, the share that is
    among the highest of the other too; by chance it would be `chance`. block: tokens of one resampled block.
    """

    correlation: Estimate
    overlap: float
    chance: float
    top: int
    places: int
    block: int


def align(datasets: Sequence[xr.Dataset], signal: str, layer: int | None = None) -> Aligned:
    """One signal of runs of one text. layer: from 0; None for all together, by the rule of the signal.

    Raises ConfigError for runs of different texts, a signal or a layer that one of them lacks.
    """
    first = datasets[0]
    if any(ds.attrs["text_sha256"] != first.attrs["text_sha256"] for ds in datasets):
        raise ConfigError("the runs are of different texts; only runs of one text can be compared")
    columns = [_column(ds, signal, layer) for ds in datasets]
    spans = [(ds["start"].values, ds["end"].values) for ds in datasets]
    if all(np.array_equal(start, spans[0][0]) and np.array_equal(end, spans[0][1]) for start, end in spans):
        return Aligned(np.stack(columns), *spans[0], "token")
    length = len(first.attrs["text"])
    values = np.stack([_over_characters(c, *span, length) for c, span in zip(columns, spans, strict=True)])
    return Aligned(values, np.arange(length), np.arange(length) + 1, "character")


def _column(ds: xr.Dataset, signal: str, layer: int | None) -> np.ndarray:
    name = str(ds.attrs["checkpoint"])
    held = [key for key in (*SIGNALS, "nll", "entropy") if key in ds]
    if signal not in held:
        raise ConfigError(f"the run of {name} has no signal {signal!r}; it has {', '.join(held)}")
    if "layer" not in ds[signal].dims:
        return ds[signal].values.astype(np.float64)
    values = ds[signal].values
    if "head" in ds[signal].dims:
        values = sum_heads({key: ds[key].values for key in {signal, "past_surprise", "momentary"}})[signal]
    if layer is None:
        return sum_layers(signal, values).astype(np.float64)
    if not 0 <= layer < len(values):
        raise ConfigError(f"the run of {name} has no layer {layer}; its layers are 0 to {len(values) - 1}")
    return values[layer].astype(np.float64)


def _over_characters(values: np.ndarray, start: np.ndarray, end: np.ndarray, length: int) -> np.ndarray:
    """(T,) to (length,). Of tokens that hold bytes of one character the last one counts."""
    found = np.full(length, np.nan)
    counts = end - start
    places = np.repeat(start - np.concatenate([[0], counts.cumsum()[:-1]]), counts) + np.arange(counts.sum())
    found[places] = np.repeat(values, counts)
    return found


def named(ds: xr.Dataset) -> str:
    """The checkpoint, and what the run did otherwise than it: "mag, theta*=0.5, wipe=200"."""
    settings = Settings.from_dict(json.loads(ds.attrs["settings"]))
    return ", ".join([str(ds.attrs["checkpoint"]), *written(settings)])


def agreement(one: np.ndarray, other: np.ndarray, *, count: int = 200, seed: int = 0) -> Agreement:
    """Of two rows of `Aligned.values`. count: resamples; seed: of these."""
    used = np.flatnonzero(np.isfinite(one) & np.isfinite(other))
    a, b = one[used], other[used]
    top = max(1, round(TOP * len(used))) if len(used) else 0
    overlap = len(np.intersect1d(_highest(a, top), _highest(b, top))) / top if top else np.nan
    chance = top / len(used) if top else np.nan
    if len(used) < MIN_PLACES:
        return Agreement(Estimate(np.nan, np.nan, np.nan), overlap, chance, top, len(used), 0)
    places = [blocks.ties(a), blocks.ties(b)]
    ones = np.ones(len(used))
    block = blocks.block_length(blocks.influence(*(blocks.mid_ranks(place, ones) for place in places)))
    draws = [blocks.rank_correlations(places, w)[0, 1] for w in blocks.resamples(len(used), block, count, seed)]
    value = float(blocks.rank_correlations(places, ones)[0, 1])
    interval = blocks.correlation_interval(value, np.array(draws), len(used) / block)
    return Agreement(interval, overlap, chance, top, len(used), block)


def _highest(values: np.ndarray, count: int) -> np.ndarray:
    return np.argsort(-values, kind="stable")[:count]


def difference(one: np.ndarray, other: np.ndarray, *, ratio: bool = False) -> np.ndarray:
    """one - other; or log2(one / other), which is 0 where they are equal, 1 where one is twice the other.

    NaN where either is undefined and, of a ratio, where either is not above zero.
    """
    if not ratio:
        return one - other
    above = (one > 0) & (other > 0)
    return np.where(above, np.log2(np.where(above, one, 1.0)) - np.log2(np.where(above, other, 1.0)), np.nan)


def furthest(
    differs: np.ndarray, start: np.ndarray, end: np.ndarray, text: str, count: int = 5, skip: int = 0
) -> list[Passage]:
    """The passages in which `difference` is furthest from zero, as `passages` finds them.

    value: the mean size over SPAN places, with the sign of the place where it is largest.
    """
    listed = passages(np.abs(differs), start, end, text, count, skip)
    return [replace(found, value=found.value * float(np.sign(differs[found.token]))) for found in listed]


def won(one: xr.Dataset, other: xr.Dataset) -> np.ndarray:
    """Bits of prediction that `one` saves over `other`, per character of the text or per token: nll of other - one.

    Of different tokenizers, each token's bits are spread evenly over its characters.
    """
    aligned = align([one, other], "nll")
    if aligned.unit == "token":
        return aligned.values[1] - aligned.values[0]
    length = len(one.attrs["text"])
    of = [[ds[name].values for name in ("nll", "start", "end")] for ds in (one, other)]
    rows = [per_character(bits, start, end, length) for bits, start, end in of]
    return rows[1] - rows[0]
