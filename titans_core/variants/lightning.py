"""The other yardstick: linear attention with decay, and softmax attention in every eighth block."""

from __future__ import annotations

from torch import Tensor, nn

from titans_core.config import ModelConfig
from titans_core.layers.feed_forward import FeedForward
from titans_core.layers.lightning import LightningAttention
from titans_core.layers.step import Step
from titans_core.variants.block import Signals

PERIOD = 8  # seven blocks of linear attention, then one of softmax attention (MiniMax-01)


class LightningBlock(nn.Module):
    """Linear attention and feed-forward, each added to the stream."""

    def __init__(self, config: ModelConfig, index: int = 0) -> None:
        super().__init__()
        linear = [i for i in range(config.layers) if not is_softmax(config, i)]
        self.norm = nn.RMSNorm(config.dim)
        self.attention = LightningAttention(config, linear.index(index), len(linear))
        self.feed_forward = FeedForward(config)

    def start(self, batch: int) -> Tensor:
        return self.attention.start(batch)

    def forward(self, x: Tensor, state: Tensor, step: Step) -> tuple[Tensor, Tensor, Signals]:
        y, state = self.attention(self.norm(x), state)
        return self.feed_forward(x + y), state, {}


def is_softmax(config: ModelConfig, index: int) -> bool:
    """Whether the block at this index is the transformer's: every eighth, or the last of two to seven."""
    if config.layers < PERIOD:
        return 0 < index == config.layers - 1
    return (index + 1) % PERIOD == 0
