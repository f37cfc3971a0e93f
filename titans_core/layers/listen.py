"""Listening to a memory while a model reads: what each layer is about to write, and its weights as they pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import get_ident
from typing import Protocol

from torch import Tensor

from titans_core.memory.types import Weights


class Listener:
    """Hears one memory layer, in the order of the stream; `passes`, `writes` and `reads` are for subclasses to fill."""

    def __init__(self) -> None:
        self._call = self._at = 0

    def begin(self, position: int) -> None:
        """The next call of the model begins with this token of the stream."""
        self._at = position

    def takes(self, k: Tensor, v: Tensor, theta: Tensor, eta: Tensor, alpha: Tensor) -> None:
        """Before a call of the layer writes its tokens: see memory_scan."""
        self.writes(self._at, k, v, theta, eta, alpha)

    def __call__(self, done: int, weights: Weights) -> None:
        """The weights after `done` tokens of one call; a call begins where the one before ended."""
        if done == 0:
            self._call = self._at
        self._at = self._call + done
        self.passes(self._at, weights)

    def writes(self, at: int, k: Tensor, v: Tensor, theta: Tensor, eta: Tensor, alpha: Tensor) -> None:
        """The tokens from `at` on are about to be written; k, v (B, H, T, D), gates (B, H, T)."""

    def reads(self, q: Tensor, y: Tensor) -> None:
        """The tokens just written asked q and were given y = M_t(q_t), each after its own write: (B, H, T, D) both."""

    def passes(self, at: int, weights: Weights) -> None:
        """The weights, (B, H, D_in, D_out) each, after `at` tokens of the stream: now and then, at least every 32."""


class Heard(Protocol):
    """A memory layer: its listeners, by thread."""

    listeners: dict[int, Listener]


@contextmanager
def listening(layers: Sequence[Heard], listeners: Sequence[Listener], position: int) -> Iterator[None]:
    """While the model is called in this thread, with `position` as its state says; one listener a layer."""
    thread = get_ident()
    before = [layer.listeners.get(thread) for layer in layers]
    for layer, listener in zip(layers, listeners, strict=True):
        listener.begin(position)
        layer.listeners[thread] = listener
    try:
        yield
    finally:
        for layer, other in zip(layers, before, strict=True):
            del layer.listeners[thread]
            if other is not None:
                layer.listeners[thread] = other
