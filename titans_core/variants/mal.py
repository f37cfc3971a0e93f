"""Memory as layer: memory first, then sliding-window attention on what it returns (eqs. 29-31)."""

from __future__ import annotations

from torch import Tensor, nn

from titans_core.config import ModelConfig
from titans_core.layers.attention import Cache, WindowAttention
from titans_core.layers.feed_forward import FeedForward
from titans_core.layers.memory import MemoryLayer, MemoryState
from titans_core.layers.memory_output import MemoryOutput
from titans_core.layers.step import Step
from titans_core.variants.block import Signals

MalState = tuple[Cache | None, MemoryState]


class MalBlock(nn.Module):
    """Memory, attention and feed-forward one after the other, each added to the stream."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.memory_norm = nn.RMSNorm(config.dim)
        self.memory = MemoryLayer(config)
        self.memory_output = MemoryOutput(config)
        self.attention_norm = nn.RMSNorm(config.dim)
        self.attention = WindowAttention(config)
        self.attention_out = nn.Linear(config.dim, config.dim, bias=False)
        self.feed_forward = FeedForward(config)

    def start(self, batch: int) -> MalState:
        return None, self.memory.start(batch)

    def forward(self, x: Tensor, state: MalState, step: Step) -> tuple[Tensor, MalState, Signals]:
        cache, memory = state
        h = self.memory_norm(x)
        m, memory, signals = self.memory(h, memory, step)
        x = x + self.memory_output(m, h)  # eq. 30
        y, cache = self.attention(self.attention_norm(x), cache, step.position)
        x = x + self.attention_out(y)  # eq. 31
        return self.feed_forward(x), (cache, memory), signals
