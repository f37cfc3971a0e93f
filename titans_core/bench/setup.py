"""What a run of `titans bench` is asked for, and the sizes that follow from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from titans_core.bench.counts import Shape


@dataclass(frozen=True)
class Setup:
    """names: checkpoints asked for, or none. lengths: of growth, in tokens. limit: seconds that one model may read a
    long text. say: told what goes on, a line at a time."""

    device: torch.device
    quick: bool
    names: tuple[str, ...]
    lengths: tuple[int, ...]
    limit: float
    say: Callable[[str], None]

    @property
    def cuda(self) -> bool:
        return self.device.type == "cuda"

    @property
    def rounds(self) -> int:
        return 2 if self.quick else 5

    @property
    def shortest(self) -> float:
        """Seconds that are measured at once, at the least."""
        return 0.0 if self.quick else 0.02

    @property
    def shape(self) -> Shape:
        """Of the deep memory whose speed is promised."""
        return Shape(batch=8 if self.cuda and not self.quick else 1, tokens=128 if self.quick else 4096)

    @property
    def exact_tokens(self) -> int:
        """What titans-pytorch reads of a sequence at chunk 1, where it is slow."""
        return 8 if self.quick else 256 if self.cuda else 32

    @property
    def precisions(self) -> tuple[str, ...]:
        return ("highest", "high", "medium") if self.cuda else ("highest",)

    def models(self, *own: str) -> tuple[str, ...]:
        """Those asked for, else a part's own."""
        return self.names or own
