"""The long-term memory alone: no attention (section 4.3)."""

from __future__ import annotations

from torch import Tensor, nn

from titans_core.config import ModelConfig
from titans_core.layers.feed_forward import FeedForward
from titans_core.layers.memory import MemoryLayer, MemoryState
from titans_core.layers.memory_output import MemoryOutput
from titans_core.layers.step import Step
from titans_core.variants.block import Signals


class LmmBlock(nn.Module):
    """Memory and feed-forward, each added to the stream."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(config.dim)
        self.memory = MemoryLayer(config)
        self.memory_output = MemoryOutput(config)
        self.feed_forward = FeedForward(config)

    def start(self, batch: int) -> MemoryState:
        return self.memory.start(batch)

    def forward(self, x: Tensor, state: MemoryState, step: Step) -> tuple[Tensor, MemoryState, Signals]:
        h = self.norm(x)
        m, state, signals = self.memory(h, state, step)
        return self.feed_forward(x + self.memory_output(m, h)), state, signals
