"""How much of every token's write is still in the weights at the end of a text. Needs no torch.

`lineage.fate` follows one token through all later ones; this is its last point for all tokens at once.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from titans_core.errors import ConfigError
from titans_core.lineage import memories, recorded
from titans_core.signals import BY_HEAD

BLOCK = 16_384  # tokens read at once, as many as a stored chunk
PART = 128  # tokens that go one by one, in all parts of a block at the same time


def lasting(ds: xr.Dataset, layer: int | None = None) -> np.ndarray:
    """The norm of what the weights after the last token hold of each token's write: float32 (T,), unit of weights.

    That is A[T,t] |u_t| of docs/math.md, "Lineage and fate", heads and layers put together as norms are.
    layer: one, or None for all. Goes backwards through the text, block by block.
    Raises ConfigError for a trace without BY_HEAD or a layer that it lacks.
    """
    if not recorded(ds):
        raise ConfigError(f"the trace lacks {', '.join(BY_HEAD)}: run the text again, with a model that has a memory")
    if layer is not None and not 0 <= layer < ds.sizes["layer"]:
        raise ConfigError(f"there is no layer {layer}; choose one of 0 to {ds.sizes['layer'] - 1}")
    total = ds.sizes["token"]
    result = np.empty(total, np.float32)
    after: _After | None = None
    for start in reversed(range(0, total, BLOCK)):
        pushed, eta, alpha = (memories(ds, name, start, min(total, start + BLOCK), layer) for name in NAMES)
        after = after or (np.ones(len(eta)), np.zeros(len(eta)), np.zeros(len(eta)))
        left, after = _left(eta, 1 - alpha, after)
        result[start : start + left.shape[1]] = np.sqrt(np.square(left * pushed).sum(0))
    return result


NAMES = ("head_momentary", "head_eta", "head_alpha")
_After = tuple[np.ndarray, np.ndarray, np.ndarray]  # of the first token after a block, each (memories,): see `_left`


def _left(eta: np.ndarray, keep: np.ndarray, after: _After) -> tuple[np.ndarray, _After]:
    """A[T,t] for the tokens of a block, (memories, t): A[T,t] = (prod of keep after t) + eta_{t+1} A[T,t+1].

    after: the product of keep from the first later token on, that token's eta, and its A. Returns the same of this
    block, for the one before it.
    """
    memories, tokens = eta.shape
    kept, later_eta, later = after
    products = np.cumprod(np.concatenate((kept[:, None], keep[:, ::-1]), 1), 1)
    ends, kept = products[:, :-1][:, ::-1], products[:, -1]
    passed = np.concatenate((eta[:, 1:], later_eta[:, None]), 1)
    parts = -(-tokens // PART)
    padding = ((0, 0), (parts * PART - tokens, 0))  # in front, where nothing depends on it
    ends, passed = (np.pad(x, padding).reshape(memories, parts, PART) for x in (ends, passed))
    alone, through = np.empty_like(ends), np.empty_like(ends)  # as if nothing came after the part; what comes through
    left, carried = np.zeros((memories, parts)), np.ones((memories, parts))
    for k in reversed(range(PART)):
        left = ends[..., k] + passed[..., k] * left
        carried = carried * passed[..., k]
        alone[..., k], through[..., k] = left, carried
    for part in reversed(range(parts)):
        alone[:, part] += through[:, part] * later[:, None]
        later = alone[:, part, 0]
    found = alone.reshape(memories, -1)[:, -tokens:]
    return found, (kept, eta[:, 0], found[:, 0])
