"""The signals of a NeuralMemory of titans-pytorch, of what `neural_memory` noted of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call, grad, vmap

from titans_core.adapters.neural_memory import Watched, Weights, Write
from titans_core.signals import Arrays

AT_ONCE = 1 << 24  # values of gradients of single tokens that are held at once


def read(one: Watched) -> np.ndarray:
    """The size of what was read, of all heads together, at every position."""
    return one.read[0].double().norm(dim=-1).cpu().numpy()


def signals(one: Watched) -> Arrays:
    """name -> (heads, P) of the P positions that were written, (P,) of what is of all heads; empty where P is 0."""
    with torch.no_grad():
        parts = [_of_write(one.memory, write) for write in one.writes]
    return {name: np.concatenate([part[name] for part in parts], -1) for name in parts[0]} if parts else {}


def _of_write(memory: Any, write: Write) -> Arrays:
    heads, size = memory.heads, write.keys.shape[1]
    loss, surprise = _each(memory, write)
    by_token = {"loss": loss, "surprise": surprise, "theta": write.theta}
    if _pushes_as_they_are(memory):
        by_token["momentary"] = write.theta * surprise
    by_chunk = _of_chunks(memory, write)
    found = {name: values.reshape(heads, -1) for name, values in by_token.items()}
    found |= {name: values.repeat_interleave(size, -1) for name, values in by_chunk.items()}
    return {name: values.double().cpu().numpy() for name, values in found.items()}


def _each(memory: Any, write: Write) -> tuple[Tensor, Tensor]:
    """Loss and norm of its gradient over all weights of the memory, for every token alone: both (B n, c)."""

    def loss(at: Weights, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        found = memory.store_memory_loss_fn(
            functional_call(memory.memory_model, dict(at), key[None]), value[None]
        ).sum()
        return found, found

    each: Callable[..., Any] = vmap(vmap(grad(loss, has_aux=True), (None, 0, 0)), (0, 0, 0))
    weights = sum(value[0].numel() for value in write.at.values())
    rows = max(1, AT_ONCE // (weights * write.keys.shape[1]))
    tokens = max(1, min(write.keys.shape[1], AT_ONCE // weights))
    losses, norms = torch.empty_like(write.theta), torch.empty_like(write.theta)
    for row in range(0, len(write.keys), rows):
        some = slice(row, row + rows)
        at = {name: value[some] for name, value in write.at.items()}
        for first in range(0, write.keys.shape[1], tokens):
            part = some, slice(first, first + tokens)
            grads, losses[part] = each(at, write.keys[part], write.values[part])
            norms[part] = _norm(list(grads.values()))
    return losses, norms


def _of_chunks(memory: Any, write: Write) -> dict[str, Tensor]:
    """name -> (B, n), and alignment (n,): what the module did once a chunk."""
    assert write.alpha is not None  # noqa: S101 (noted with the write)
    heads = memory.heads
    path = {name: value.double() for name, value in write.updates.items()}
    sizes = _norm(list(path.values()))
    found = {"alpha": write.alpha, "forgotten": write.alpha * sizes[:, :-1], "memory": sizes[:, 1:]}
    found["update"] = _norm([value.diff(dim=1) for value in path.values()])
    if write.eta is not None and memory.momentum_order == 1:
        found["eta"] = write.eta
    if write.eta is None or not _pushes_as_they_are(memory):
        return found
    pushes = {name: -value.double().unflatten(0, (heads, -1)) for name, value in write.pushed.items()}
    carried, momenta = _momenta(pushes, write.eta.double(), write.past)
    past, push = _norm(carried), _norm(list(pushes.values()))
    inner = sum((a * b).flatten(2).sum(-1) for a, b in zip(carried, pushes.values(), strict=True))
    both = (past.square().sum(0) * push.square().sum(0)).sqrt()
    alignment = torch.where(both > 0, torch.as_tensor(inner).sum(0) / both, torch.nan)
    return found | {"past_surprise": past, "momentum": _norm(momenta), "alignment": alignment}


def _momenta(pushes: Weights, eta: Tensor, past: Weights | None) -> tuple[list[Tensor], list[Tensor]]:
    """eta_c S_{c-1} and S_c of every chunk, a tensor (B, n, ...) for each weight."""
    carried, momenta = [], []
    for name, push in pushes.items():
        now = torch.zeros_like(push[:, 0]) if past is None else past[name].double()
        rows = []
        for chunk in range(push.shape[1]):
            brought = eta[:, chunk].reshape(-1, *[1] * (now.dim() - 1)) * now
            now = brought + push[:, chunk]
            rows.append((brought, now))
        carried.append(torch.stack([row[0] for row in rows], 1))
        momenta.append(torch.stack([row[1] for row in rows], 1))
    return carried, momenta


def _norm(tensors: list[Tensor]) -> Tensor:
    """Over all weights, of tensors (a, b, ...): (a, b)."""
    return torch.stack([x.flatten(2).square().sum(-1) for x in tensors]).sum(0).sqrt()


def _pushes_as_they_are(memory: Any) -> bool:
    changed = memory.max_grad_norm is not None or memory.to_layer_modulation is not None
    return not changed and not memory.spectral_norm_surprises and memory.momentum_order == 1
