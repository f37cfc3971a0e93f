"""What every block offers, so that the model can stack them without knowing which variant they are."""

from __future__ import annotations

from typing import Any, Protocol

from torch import Tensor

from titans_core.layers.step import Step

Signals = dict[str, Tensor]  # name -> (B, H, T)


class Block(Protocol):
    """(B, T, dim) and the state after the tokens before -> (B, T, dim), the state after these, signals."""

    def start(self, batch: int) -> Any: ...

    def __call__(self, x: Tensor, state: Any, step: Step) -> tuple[Tensor, Any, Signals]: ...
