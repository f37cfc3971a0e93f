"""What each recorded variable is called, measured in and defined by, and how it adds up over heads."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

Arrays = dict[str, np.ndarray]


class Signal(NamedTuple):
    """Labels of one variable. over_heads: "square" (norms), "sum", "mean" or "cosine"."""

    long_name: str
    units: str
    source: str
    over_heads: str = "square"
    granularity: str = "token"

    def attrs(self) -> dict[str, str]:
        kept = ("long_name", "units", "source", "granularity")
        return {name: value for name, value in self._asdict().items() if name in kept}


_START = "at the weights before the token, or before its chunk where that is longer"

SIGNALS = {
    "loss": Signal("inner loss before the write", "squared error", f"eq. 12, {_START}", "sum"),
    "surprise": Signal("surprise: norm of the gradient", "loss per weight", f"eq. 8, {_START}"),
    "momentary": Signal("momentary surprise: theta times the gradient", "weight", "eq. 14"),
    "past_surprise": Signal("past surprise: eta times the carried momentum", "weight", "eq. 14"),
    "momentum": Signal("momentum S after the token", "weight", "eq. 14"),
    "alignment": Signal("cosine of the push with the carried momentum", "cosine", "eq. 14", "cosine"),
    "theta": Signal("step theta", "step", "eq. 14", "mean"),
    "eta": Signal("carry eta", "fraction", "eq. 14", "mean"),
    "alpha": Signal("forget alpha", "fraction", "eq. 13", "mean"),
    "update": Signal("change of the memory", "weight", "eq. 13"),
    "forgotten": Signal("forgetting: alpha times the memory", "weight", "eq. 13"),
    "memory": Signal("size of the memory after the token", "weight", "eq. 13"),
    "read": Signal("size of what was read after the write", "value", "eq. 15"),
    "share_persistent": Signal("attention on the persistent tokens", "fraction", "eq. 22-23", "mean"),
    "share_memory": Signal("attention on what was read from memory", "fraction", "eq. 22-23", "mean"),
    "share_segment": Signal("attention on the segment itself", "fraction", "eq. 22-23", "mean"),
    "gate": Signal("share of the memory branch", "fraction", "eq. 28", "mean"),
}
BY_HEAD = {  # always recorded for each head: products of gates over tokens cannot be had from means over heads
    "head_eta": Signal("carry eta of each head", "fraction", "eq. 14"),
    "head_alpha": Signal("forget alpha of each head", "fraction", "eq. 13"),
    "head_momentary": Signal("momentary surprise of each head: theta times the gradient", "weight", "eq. 14"),
}
FOREIGN = "foreign"  # the attribute of a trace of another library's model: which; see adapters
ABSENT = "absent"  # of such a trace: the names of the variables that it lacks
MARK = "pieces"  # the attribute of a trace whose tokens are pieces of its model's: see probes.pieces
OUTPUTS = {
    "nll": Signal("surprisal: -log2 p of the token given those before it", "bits", "next-token prediction"),
    "entropy": Signal("entropy of the prediction of the token", "bits", "next-token prediction"),
    "id": Signal("token id", "index", "tokenizer"),
}


def by_head(heads: Arrays) -> Arrays:
    """The variables of BY_HEAD, (layers, H, T), from signals that keep their heads."""
    return {name: heads[name.removeprefix("head_")] for name in BY_HEAD}


def sum_heads(heads: Arrays) -> Arrays:
    """name -> (layers, H, T) to name -> (layers, T): norms add in squares, losses add, gates average.

    Alignment becomes the cosine of the stacked heads; it is NaN where nothing is carried.
    """
    return {name: _over_heads(name, values, heads) for name, values in heads.items()}


def sum_layers(name: str, values: np.ndarray) -> np.ndarray:
    """(layers, T) to float32 (T,) by the same rules, but the cosine is averaged.

    Layers where the signal is undefined are left out; where all are, the result is NaN.
    """
    known = ~np.isnan(values)
    filled = np.where(known, values, 0).astype(np.float64)
    how = SIGNALS[name].over_heads
    if how == "square":
        result = np.sqrt(np.square(filled).sum(0))
    elif how == "sum":
        result = filled.sum(0)
    else:
        result = filled.sum(0) / np.maximum(known.sum(0), 1)
    return np.where(known.any(0), result, np.nan).astype(np.float32)


def _over_heads(name: str, values: np.ndarray, heads: Arrays) -> np.ndarray:
    how = SIGNALS[name].over_heads
    if how == "square":
        result = np.sqrt(np.square(values, dtype=np.float64).sum(1))
    elif how == "cosine":
        past, push = (heads[n].astype(np.float64) for n in ("past_surprise", "momentary"))
        inner = np.nansum(values * past * push, 1)  # a head that carries nothing adds nothing
        sizes = np.sqrt(np.square(past).sum(1) * np.square(push).sum(1))
        result = np.divide(inner, sizes, out=np.full_like(sizes, np.nan), where=sizes > 0)
    else:
        result = values.sum(1, dtype=np.float64) if how == "sum" else values.mean(1, dtype=np.float64)
    return result.astype(np.float32)
