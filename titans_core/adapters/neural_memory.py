"""What a NeuralMemory of titans-pytorch did, noted while it runs; `neural_signals` measures it.

Its `store_memories` writes whole chunks. All gradients of a call are taken at the same weights, those of a chunk are
added up, momentum and forgetting go once a chunk: S_c = eta_c S_{c-1} - sum theta_t grad_t, and
M_c = (1 - alpha_c) M_{c-1} + S_c.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor, nn

from titans_core.errors import ConfigError

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
    memory = one.memory
    gates: dict[str, Tensor] = {}
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
