"""The yardstick: the same window, no memory."""

from __future__ import annotations

from torch import Tensor, nn

from titans_core.config import ModelConfig
from titans_core.layers.attention import Cache, WindowAttention
from titans_core.layers.feed_forward import FeedForward
from titans_core.layers.step import Step
from titans_core.variants.block import Signals


class TransformerBlock(nn.Module):
    """Sliding-window attention with persistent tokens, and feed-forward."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(config.dim)
        self.attention = WindowAttention(config)
        self.attention_out = nn.Linear(config.dim, config.dim, bias=False)
        self.feed_forward = FeedForward(config)

    def start(self, batch: int) -> Cache | None:
        return None

    def forward(self, x: Tensor, state: Cache | None, step: Step) -> tuple[Tensor, Cache | None, Signals]:
        y, state = self.attention(self.norm(x), state, step.position)
        return self.feed_forward(x + self.attention_out(y)), state, {}
