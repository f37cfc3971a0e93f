"""Whose writes does a read draw on? What a memory of one layer says, as a sum over everything it was told.

Such a memory is a matrix, and all that was ever added to it are the tokens' pushes u_t = -2 theta_t k_t^T e_t. So every
linear reading of its weights and momentum after token T is a sum of one term a token, exact whatever the update chunk
(docs/math.md, "What a read draws on"):

    <G, M_T> + <G', S_T> = sum_t ( A[T,t] <G, u_t> + E[T,t] <G', u_t> ).

Two readings are taken of each layer, once a cue has been read from there (`asked`):

- the read itself: q M_s at the cue's last token, by its projection on what was read. The shares of all tokens and that
  of the cue's own writes add up to 1. Most of a read is what the memory says to any question.
- the pull on the answer: the gradient of the answer's log-odds in the memory, through all reads of the cue and the
  answer. How far the odds hang on a token's write, in bits, to first order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import log
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from titans_core.errors import ConfigError
from titans_core.layers.listen import Listener, listening
from titans_core.layers.memory import MemoryLayer, MemoryState
from titans_core.memory.decay import Decays
from titans_core.memory.linear import errors
from titans_core.memory.scan import memory_scan
from titans_core.memory.types import Weights
from titans_core.model import Model, ModelState
from titans_core.probes.gates import standing
from titans_core.probes.reading_on import memories, read_on


class Reading(NamedTuple):
    """Two linear readings of one layer's memory, (2, H, D, D) both: that of the read, and that of the pull.

    own: the share of the read that was written after that memory, by what follows `Readings.tokens`.
    """

    weights: Tensor
    momentum: Tensor
    own: float


class Readings(NamedTuple):
    """One a layer, of the memory after so many `tokens` of the stream: of mac, those before the current segment."""

    tokens: int
    layers: tuple[Reading, ...]


class Drawn(NamedTuple):
    """read (L, T): each token's share of the read of each layer; own (L,): the share of what was written after them.

    Both add up to 1 in each layer, but for rounding. Shares are below 0 where a write speaks against what was read.
    NaN where a layer read nothing. pull (L, T): of the answer's log-odds, in bits.
    """

    read: np.ndarray
    own: np.ndarray
    pull: np.ndarray


def asked(model: Model, state: ModelState, cue: np.ndarray, answer: np.ndarray) -> Readings:
    """Read the tokens of `cue` and `answer`, both at least one, on from `state`, which stays as it is.

    Raises ConfigError for a model whose reads are no sum of writes.
    """
    check(model)
    ids = torch.from_numpy(np.concatenate((cue, answer)).astype(np.int64)).to(model.device)[None]
    layers, known = memories(model), state.pending.shape[1]
    heard = [_Heard() for _ in layers]
    with torch.inference_mode(False), torch.enable_grad(), listening(layers, heard, state.position):
        leaves: list[MemoryState] = []
        fork = replace(state, layers=_copied(state.layers, leaves), pending=state.pending.clone())
        logits, said = model(ids, fork).logits[0, len(cue) - 1 : -1].double(), ids[0, len(cue) :, None]
        others = logits.scatter(1, said, -torch.inf).logsumexp(-1)
        odds = (logits.gather(1, said)[:, 0] - others).sum() / log(2)
        slopes = torch.autograd.grad(odds, [x for leaf in leaves for x in (leaf.weights[0], leaf.momentum[0])])
    at = known + len(cue) - 1
    of_layers = zip(heard, leaves, slopes[::2], slopes[1::2], strict=True)
    return Readings(state.position, tuple(_reading(one.until(at), m, (a, b)) for one, m, a, b in of_layers))


def drawn(
    model: Model, ids: np.ndarray, readings: Readings, *, progress: Callable[[int], None] = lambda tokens: None
) -> Drawn:
    """What they draw on of the tokens `ids` (T,), all that were read before: the first `readings.tokens` of the text.

    Reads them once more. progress: told the tokens just read; may raise to cancel. Raises ConfigError as `asked`.
    """
    check(model)
    drawing = [Drawing(layer, *reading[:2]) for layer, reading in zip(memories(model), readings.layers, strict=True)]
    if len(ids):
        list(read_on(model, ids, listeners=drawing, progress=progress))
    found = np.stack([one.found() for one in drawing])
    return Drawn(found[:, 0], np.array([layer.own for layer in readings.layers]), found[:, 1])


class Drawing(Listener):
    """Follows one layer from its start, and puts down what each push adds to K linear readings of it."""

    def __init__(self, layer: MemoryLayer, weights: Tensor, momentum: Tensor) -> None:
        """weights, momentum: K readings of both, (K, H, D, D)."""
        super().__init__()
        start = layer.start(1)
        self._chunk, self._state = layer.chunk, (start.weights[0].detach(), start.momentum[0])
        self._wanted = torch.stack((weights, momentum)).to(start.momentum[0].dtype)
        self._parts: list[tuple[np.ndarray, np.ndarray]] = []  # (2, K, H, t): of a push; (2, H, t): eta, alpha

    def writes(self, at: int, k: Tensor, v: Tensor, theta: Tensor, eta: Tensor, alpha: Tensor) -> None:
        error, *state = _errors(k, v, theta, eta, alpha, self._state, self._chunk)
        self._state = state[0], state[1]
        pushed = -2 * theta[0] * ((k[0] @ self._wanted) * error[0]).sum(-1)
        self._parts.append((pushed.cpu().numpy(), torch.stack((eta[0], alpha[0])).cpu().numpy()))

    def found(self) -> np.ndarray:
        """(K, T)"""
        if not self._parts:
            return np.empty((self._wanted.shape[1], 0))
        pushed, gates = (np.concatenate(parts, -1) for parts in zip(*self._parts, strict=True))
        return np.einsum("pkht,pht->kt", pushed, standing(*gates))


def check(model: Model) -> None:
    """Raises ConfigError for a model whose reads are no sum of writes."""
    if not model.config.has_memory:
        raise ConfigError(f"{model.name} is a {model.config.variant}, which has no memory to read from")
    if model.config.memory_depth > 1:
        raise ConfigError(
            f"the memory of {model.name} has {model.config.memory_depth} layers: what it reads is no sum of what was "
            "written, so that no passage has a share in it; ask a checkpoint whose memory_depth is 1"
        )


class _Heard(Listener):
    """All that a layer asked, was given, and forgot, in one call of the model."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[list[Tensor]] = []

    def writes(self, at: int, k: Tensor, v: Tensor, theta: Tensor, eta: Tensor, alpha: Tensor) -> None:
        self._parts.append([eta[0].detach(), alpha[0].detach()])

    def reads(self, q: Tensor, y: Tensor) -> None:
        self._parts[-1] += [q[0].detach(), y[0].detach()]

    def until(self, at: int) -> tuple[Tensor, ...]:
        """eta, alpha (H, at + 1) as far as a token, and its question and read, (H, D)."""
        eta, alpha, q, y = (torch.cat(parts, 1) for parts in zip(*self._parts, strict=True))
        return eta[:, : at + 1], alpha[:, : at + 1], q[:, at], y[:, at]


def _reading(heard: tuple[Tensor, ...], before: MemoryState, slopes: tuple[Tensor, Tensor]) -> Reading:
    """y = q M_s, where M_s = beta M + c S and what was written since; slopes: of the odds, in M and in S."""
    eta, alpha, q, y = (x.double() for x in heard)
    decays = Decays.of(eta, alpha)
    outer = q[:, :, None] * (y / y.square().sum())[:, None]
    both = [decay[:, -1, None, None] * outer for decay in (decays.keep, decays.carried)]
    past = sum((w * x[0][0].detach().double()).sum() for w, x in zip(both, before[:2], strict=True))
    weights, momentum = (torch.stack((w, slope[0].double())) for w, slope in zip(both, slopes, strict=True))
    return Reading(weights, momentum, float(1 - past))


def _copied(part: Any, leaves: list[MemoryState]) -> Any:
    """A copy of a state to take gradients in; its memories are added to `leaves`."""
    if isinstance(part, Tensor):
        return part.clone()
    if not isinstance(part, tuple):
        return part
    inner = [_copied(x, leaves) for x in part]
    copy = type(part)(*inner) if hasattr(part, "_fields") else tuple(inner)
    if isinstance(copy, MemoryState):
        for x in (*copy.weights, *copy.momentum):
            x.requires_grad_()
        leaves.append(copy)
    return copy


def _errors(
    k: Tensor, v: Tensor, theta: Tensor, eta: Tensor, alpha: Tensor, state: Sequence[Tensor], chunk: int
) -> tuple[Tensor, Tensor, Tensor]:
    """k_t M_{t'} - v_t, where M_{t'} is what gradients are taken at, and the state after the last token."""
    if chunk == 1:
        return errors(k, v, theta, eta, alpha, *state)
    starts: list[Weights] = []
    scan = memory_scan(
        k, k, v, theta, eta, alpha, (state[0],), (state[1],), chunk=chunk, watch=lambda _, w: starts.append(w)
    )
    told = [k[:, :, chunk * n : chunk * (n + 1)] @ w[0] for n, w in enumerate(starts[:-1])]
    return torch.cat(told, 2) - v, scan.weights[0], scan.momentum[0]
