"""Memory as gate: sliding-window attention and memory side by side over the same stream (eqs. 26-28)."""

from __future__ import annotations

from torch import Tensor, nn

from titans_core.config import ModelConfig
from titans_core.layers.attention import Cache, WindowAttention
from titans_core.layers.combine import Combine
from titans_core.layers.feed_forward import FeedForward
from titans_core.layers.memory import MemoryLayer, MemoryState
from titans_core.layers.step import Step
from titans_core.variants.block import Signals

MagState = tuple[Cache | None, MemoryState]


class MagBlock(nn.Module):
    """Both branches read the same tokens; a gate mixes them."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(config.dim)
        self.attention = WindowAttention(config)
        self.memory = MemoryLayer(config)
        self.combine = Combine(config)
        self.feed_forward = FeedForward(config)

    def start(self, batch: int) -> MagState:
        return None, self.memory.start(batch)

    def forward(self, x: Tensor, state: MagState, step: Step) -> tuple[Tensor, MagState, Signals]:
        cache, memory = state
        h = self.norm(x)
        y, cache = self.attention(h, cache, step.position)  # eq. 27
        m, memory, signals = self.memory(h, memory, step)
        o, gate = self.combine(y, m)  # eq. 28: o = y (x) M(x)
        if step.signals is True:
            signals["gate"] = gate.unflatten(-1, (self.memory.heads, -1)).mean(-1).mT
        return self.feed_forward(x + o), (cache, memory), signals
