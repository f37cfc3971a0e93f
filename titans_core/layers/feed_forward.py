"""The feed-forward layer of every block."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from titans_core.config import ModelConfig


class FeedForward(nn.Module):
    """SwiGLU on the normalised stream, added to it: (B, T, dim) -> (B, T, dim)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(config.dim)
        self.up = nn.Linear(config.dim, 2 * config.ffn, bias=False)
        self.down = nn.Linear(config.ffn, config.dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate, value = self.up(self.norm(x)).chunk(2, -1)
        out: Tensor = x + self.down(F.silu(gate) * value)
        return out
