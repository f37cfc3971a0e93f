"""What a NeuralMemory of titans-pytorch did with every position: noted while it runs, measured afterwards.

Its `store_memories` writes whole chunks. All gradients of a call are taken at the same weights, those of a chunk are
added up, momentum and forgetting go once a chunk: S_c = eta_c S_{c-1} - sum theta_t grad_t, M_c = (1 - alpha_c) M_{c-1} + S_c.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from titans_core.errors import ConfigError
from titans_core.signals import Arrays

AT_ONCE = 1 << 24  # values of gradients of single tokens that are held at once
HOW = "pip install titans-pytorch gets it"

Weights = Mapping[str, Tensor]


@dataclass
class Write:
    """One call of store_memories: n chunks of c positions, B = heads. Shapes of each tensor after its name.

    at: weights at which gradients are taken (B n, ...); keys, values (B n, c, D); theta (B n, c); pushed: gradients of
    chunks, theta in them (B n, ...); eta (B, n) or None; alpha (B, n); past: the momentum before (B, ...) or None for
    none; updates: the weights before and after every chunk (B, n + 1, ...).
    """

    at: Weights
    keys: Tensor
    theta: Tensor
    values: Tensor
    pushed: Weights
    alpha: Tensor | None = None
    eta: Tensor | None = None
    past: Weights | None = None
    updates: Weights = field(default_factory=dict)


@dataclass
class Watched:
    """A memory, its writes in order, and what it read at every position (P, dim)."""

    memory: Any
    writes: list[Write] = field(default_factory=list)
    read: list[Tensor] = field(default_factory=list)


def memories(model: nn.Module) -> list[Any]:
    """The NeuralMemory modules of a model, in order. Raises ConfigError: see TitansPytorch."""
    try:
        kind = importlib.import_module("titans_pytorch").NeuralMemory
    except ImportError as error:
        raise ConfigError(f"titans-pytorch cannot be imported ({error}); {HOW}") from None
    found = [module for module in model.modules() if isinstance(module, kind)]
    if not found:
        raise ConfigError("the model has no NeuralMemory of titans-pytorch, so there is no memory to trace")
    for memory in found:
        if memory.num_kv_per_token > 1 or memory.store_with_lookahead_value:
            raise ConfigError(
                "with num_kv_per_token above 1 or store_with_lookahead_value a token has no gradient of its own; "
                "trace a memory without them"
            )
    return found


def is_mac(model: nn.Module) -> bool:
    return isinstance(model, importlib.import_module("titans_pytorch").MemoryAsContextTransformer)


def usual_loss(memory: Any) -> bool:
    """Whether it is the library's own loss: the mean of squares."""
    known = importlib.import_module("titans_pytorch.neural_memory").default_loss_fn
    return bool(memory.store_memory_loss_fn is known)


def positions(model: nn.Module, tokens: int) -> np.ndarray:
    """Where the tokens of a text stand in what the memories read: MAC puts tokens of its own after every segment."""
    at = np.arange(tokens)
    return at + at // model.segment_len * model.num_longterm_mem_tokens if is_mac(model) else at  # type: ignore[operator]


@contextmanager
def watching(found: list[Any]) -> Iterator[list[Watched]]:
    """While it is open, these memories note what they do. Raises ConfigError where one does not read just once."""
    watched = [Watched(memory) for memory in found]
    with ExitStack() as stack:
        for one in watched:
            stack.enter_context(_watching(one))
        yield watched
    if any(len(one.read) != 1 for one in watched):
        raise ConfigError("a memory of the model did not read the text just once; trace a model that calls each once")


@contextmanager
def _watching(one: Watched) -> Iterator[None]:
    """Its methods are replaced by ones that note, on this object alone, and its gates are listened to."""
    memory, gates = one.memory, {}
    plain = {name: getattr(memory, name) for name in ("per_sample_grad_fn", "store_memories", "forward")}

    def gradients(at: Weights, keys: Tensor, theta: Tensor, values: Tensor) -> Any:
        found = plain["per_sample_grad_fn"](at, keys, theta, values)
        one.writes.append(Write(at, keys, theta, values, found[0]))
        return found

    def store(seq: Tensor, weights: Any = None, *args: Any, past_state: Any = None, **more: Any) -> Any:
        found = plain["store_memories"](seq, weights, *args, past_state=past_state, **more)
        write, updates = one.writes[-1], dict(found[0].items())
        write.alpha, write.eta = gates["alpha"][..., 0].sigmoid(), gates.get("eta")
        write.past = None if past_state is None else {name: value[0] for name, value in past_state[1].items()}
        write.updates = updates
        if not write.theta.numel():  # no whole chunk: nothing was written
            one.writes.pop()
        return found

    def forward(*args: Any, **more: Any) -> Any:
        found = plain["forward"](*args, **more)
        one.read.append(found[0][0])
        return found

    def eta(_: nn.Module, __: Any, found: Tensor) -> None:
        gates["eta"] = found[0, ..., 0].sigmoid()  # of the first order

    def alpha(_: nn.Module, __: Any, found: Tensor) -> None:
        gates["alpha"] = found

    hooks = [memory.to_decay_factor.register_forward_hook(alpha)]
    if memory.to_momentum is not None:
        hooks.append(memory.to_momentum.register_forward_hook(eta))
    memory.per_sample_grad_fn, memory.store_memories, memory.forward = gradients, store, forward
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
        memory.per_sample_grad_fn = plain["per_sample_grad_fn"]
        del memory.store_memories, memory.forward


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
        found = memory.store_memory_loss_fn(functional_call(memory.memory_model, dict(at), key[None]), value[None]).sum()
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
            norms[part] = sum(value.flatten(2).square().sum(-1) for value in grads.values()).sqrt()  # type: ignore[union-attr]
    return losses, norms


def _of_chunks(memory: Any, write: Write) -> dict[str, Tensor]:
    """name -> (B, n), and alignment (n,): what the module did once a chunk."""
    assert write.alpha is not None  # noqa: S101 (noted with the write)
    heads = memory.heads
    path = {name: value.double() for name, value in write.updates.items()}
    sizes = _norm([value for value in path.values()])
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
    """Over all weights: (B, n)."""
    return torch.stack([x.flatten(2).square().sum(-1) for x in tensors]).sum(0).sqrt()


def _pushes_as_they_are(memory: Any) -> bool:
    changed = memory.max_grad_norm is not None or memory.to_layer_modulation is not None
    return not changed and not memory.spectral_norm_surprises and memory.momentum_order == 1
