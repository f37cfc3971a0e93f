"""What every block offers, so that the model can stack them without knowing which variant they are."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from torch import Tensor

from titans_core.config import Settings
from titans_core.memory.types import Wanted

Signals = dict[str, Tensor]  # name -> (B, H, T)


class Step(NamedTuple):
    """Where in the stream a block is called, and how."""

    position: int  # index of the first token of this call
    settings: Settings
    signals: Wanted


class Block(Protocol):
    """(B, T, dim) and the state after the tokens before -> (B, T, dim), the state after these, signals."""

    def start(self, batch: int) -> Any: ...

    def __call__(self, x: Tensor, state: Any, step: Step) -> tuple[Tensor, Any, Signals]: ...
