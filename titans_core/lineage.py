"""Where the momentum at a token comes from, and what becomes of a token's write. Needs no torch.

Both are products of gates, per head and exact. With |u_i| = theta_i times the surprise of token i, the momentum at t
holds E[t,i] u_i, and the weights at s hold A[s,t] u_t (docs/math.md, "Lineage and fate"). Heads and layers are put
together as norms are: the root of summed squares, the norm of what is stacked.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import xarray as xr

from titans_core.errors import ConfigError
from titans_core.signals import BY_HEAD

LOOK_BACK = 4_096  # tokens that lineage reads: momentum is products of gates below 1
FAINT = 1e-4  # of a push still carried: less is not worth naming
GONE = 1e-20  # of a push: so little of it, carried or left, is taken for nothing
BLOCK = 131_072  # tokens that fate reads at once, a multiple of a stored chunk
SHORT = 1_024  # the same while the momentum still pushes: these tokens go one by one

ALL = slice(None)


class Push(NamedTuple):
    """What the momentum carries of one token's push: its norm, in the unit of weights, and its share of the total."""

    token: int
    strength: float
    share: float


class Lineage(NamedTuple):
    """The pushes in the momentum after `own.token`.

    own: the token's own push. pushes: the strongest earlier ones, strongest first. others: the strength of all the
    rest that was looked at. total: the sum of all strengths; pushes may cancel, so the momentum's norm is at most this.
    beyond: how much of a push from before the tokens looked at could still be carried, at most; 0 where there is none.
    """

    own: Push
    pushes: tuple[Push, ...]
    others: float
    total: float
    beyond: float


class Fate(NamedTuple):
    """How much of a token's write is left in the weights, from that token on.

    tokens, left: (n,) some tokens, and what stands in the weights after each, as a share of the largest that ever does.
    size: that largest, the norm of the write in the unit of weights; 0 for a token that wrote nothing, which has no
    points. peak: the token after which it stands; until then the momentum adds more than is forgotten. half_life:
    tokens from the write until at most half is left, for good; infinite where that does not happen within the text.
    end: what is left after the last token.
    """

    token: int
    tokens: np.ndarray
    left: np.ndarray
    size: float
    peak: int
    half_life: float
    end: float


def recorded(ds: xr.Dataset) -> bool:
    """Whether a trace has the gates and pushes of each head: older ones, and those of no memory, have not."""
    return all(name in ds for name in BY_HEAD)


def lineage(ds: xr.Dataset, token: int, layer: int | None = None, most: int = 8) -> Lineage:
    """The pushes that the momentum after `token` is made of: its own, and the `most` strongest of earlier tokens.

    layer: one, or None for all. Reads at most LOOK_BACK tokens before it and names none of which less than FAINT is
    carried in every head. Of a run that began with a state, what that brought along is not in it.
    Raises ConfigError for a trace without BY_HEAD, a token or layer that it lacks, and values that are not finite.
    """
    _check(ds, token, layer)
    first = max(0, token - LOOK_BACK)
    pushed, eta = (memories(ds, name, first, token + 1, layer) for name in ("head_momentary", "head_eta"))
    carried = _carried(eta)
    strengths = np.sqrt(np.square(carried * pushed).sum(0))
    total = float(strengths.sum())
    if not math.isfinite(total):
        raise ConfigError(f"the pushes before token {token} are not all finite: the run diverged, and has no shares")
    named = np.where((carried >= FAINT).any(0), strengths, 0)[:-1]
    order = np.argsort(-named, kind="stable")[:most]
    pushes = [Push(first + int(i), float(named[i]), float(named[i]) / total) for i in order if named[i] > 0]
    own = float(strengths[-1])
    others = float(strengths[:-1].sum()) - sum(push.strength for push in pushes)
    beyond = float((carried[:, 0] * eta[:, 0]).max()) if first else 0.0
    share = own / total if total else 0.0
    return Lineage(Push(token, own, share), tuple(pushes), max(others, 0.0), total, beyond)


def fate(ds: xr.Dataset, token: int, layer: int | None = None, points: int = 200) -> Fate:
    """How much of the write of `token` is left, at all later tokens or at about `points` of them, log-spaced.

    layer: one, or None for all. Half-life and peak are exact. Goes through the gates of all later tokens, in blocks.
    Raises ConfigError as `lineage` does.
    """
    _check(ds, token, layer)
    pushed = memories(ds, "head_momentary", token, token + 1, layer)[:, 0]
    if not pushed.any():
        return Fate(token, np.empty(0, np.int64), np.empty(0), 0.0, token, math.nan, math.nan)
    sizes = _sizes(ds, token, layer, pushed)
    peak, last = int(sizes.argmax()), len(sizes) - 1
    size = float(sizes[peak])
    if not np.isfinite(sizes).all():
        raise ConfigError(
            f"the gates after token {token} are not all finite: the run diverged, and its writes have no fate"
        )
    half = int(np.flatnonzero(sizes > size / 2)[-1]) + 1  # of the first token from which on at most half is left
    spaced = np.geomspace(1, len(sizes), points).round().astype(np.int64) - 1
    chosen = np.arange(len(sizes)) if len(sizes) <= points else np.union1d(spaced, [peak, min(half, last)])
    left = sizes[chosen] / size
    half_life = float(half) if half <= last else math.inf
    return Fate(token, token + chosen, left, size, token + peak, half_life, float(sizes[last]) / size)


def _sizes(ds: xr.Dataset, token: int, layer: int | None, pushed: np.ndarray) -> np.ndarray:
    """(T - token,) the norm of what stands in the weights of the write of `token`, after it and each later token.

    pushed: (memories,) the norms of its push. Token by token while the momentum carries it on, W = (1 - alpha) W + S
    with S = eta S; then only forgetting is left, whose products go in blocks. Memories that hold none of it any more
    are left out.
    """
    live = np.flatnonzero(pushed)
    carried = held = pushed[live]
    sizes = np.zeros(ds.sizes["token"] - token)
    sizes[0] = _norms(held[:, None])[0]
    least = GONE * sizes[0]
    start, total = token + 1, ds.sizes["token"]
    while start < total and len(live):
        pushing = not (carried <= least).all()  # true also of NaN
        size = SHORT if pushing else BLOCK
        stop = min(total, (start // size + 1) * size)
        keep = 1 - memories(ds, "head_alpha", start, stop, layer, live)
        if pushing:
            push = carried[:, None] * np.cumprod(memories(ds, "head_eta", start, stop, layer, live), 1)
            standing, carried = _written(held, keep, push), push[:, -1]
        else:
            standing = np.cumprod(keep, 1, out=keep)
            standing *= held[:, None]
        sizes[start - token : stop - token] = _norms(standing)
        held, start = standing[:, -1], stop
        kept = ~((held <= least) & (carried <= least))
        live, held, carried = live[kept], held[kept], carried[kept]
    return sizes


def _written(held: np.ndarray, keep: np.ndarray, carried: np.ndarray) -> np.ndarray:
    """W_t = keep_t W_{t-1} + S_t from W = held (memories,): (memories, t)."""
    standing = np.empty_like(keep.T)
    for row, kept, pushes in zip(standing, keep.T.copy(), carried.T.copy(), strict=True):
        held = held * kept + pushes
        row[:] = held
    return standing.T


def _carried(eta: np.ndarray) -> np.ndarray:
    """E[t, i] = prod of eta[i+1..t] for the last t: (memories, t) -> (memories, t)."""
    later = np.concatenate((eta[:, 1:], np.ones((len(eta), 1))), 1)
    return np.cumprod(later[:, ::-1], 1)[:, ::-1]


def _norms(parts: np.ndarray) -> np.ndarray:
    """(memories, t) to (t,): the norm of all memories together."""
    return np.sqrt(np.einsum("mt,mt->t", parts, parts))


def memories(
    ds: xr.Dataset, name: str, start: int, stop: int, layer: int | None, chosen: np.ndarray | slice = ALL
) -> np.ndarray:
    """A variable of BY_HEAD between two tokens, float64 (layers times heads, t); `chosen` picks of those."""
    part = ds[name].variable.isel(token=slice(start, stop))
    part = part if layer is None else part.isel(layer=slice(layer, layer + 1))
    values = np.asarray(part.transpose("layer", "head", "token").values)
    return values.reshape(-1, values.shape[-1])[chosen].astype(np.float64)


def _check(ds: xr.Dataset, token: int, layer: int | None) -> None:
    if not recorded(ds):
        raise ConfigError(f"the trace lacks {', '.join(BY_HEAD)}: run the text again, with a model that has a memory")
    if not 0 <= token < ds.sizes["token"]:
        raise ConfigError(f"there is no token {token}; choose one of 0 to {ds.sizes['token'] - 1}")
    if layer is not None and not 0 <= layer < ds.sizes["layer"]:
        raise ConfigError(f"there is no layer {layer}; choose one of 0 to {ds.sizes['layer'] - 1}")
