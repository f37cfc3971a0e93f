"""How a block takes in what was read: a norm per head, and the gate between attention and memory."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from titans_core.config import ModelConfig

EPSILON = 1e-4  # added to the mean square


class HeadNorm(nn.Module):
    """RMS norm of each head with a learned gain per channel. The epsilon keeps an almost empty memory quiet."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.weight = nn.Parameter(torch.ones(config.dim))

    def forward(self, x: Tensor) -> Tensor:
        split = x.unflatten(-1, (self.heads, -1))
        return F.rms_norm(split, split.shape[-1:], eps=EPSILON).flatten(-2) * self.weight


class Combine(nn.Module):
    """The gate between attention y and memory m (eqs. 25, 28): both normalised, mixed per channel, projected.

    g = sigmoid(a*y + b*m + c) with learned vectors; out = W (g*m + (1-g)*y).
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.attention_norm, self.memory_norm = HeadNorm(config), HeadNorm(config)
        self.weight = nn.Parameter(torch.zeros(2, config.dim))
        self.bias = nn.Parameter(torch.zeros(config.dim))
        self.out = nn.Linear(config.dim, config.dim, bias=False)

    def forward(self, y: Tensor, m: Tensor) -> tuple[Tensor, Tensor]:
        """y, m: (B, T, dim). Returns the output and the memory's share g, (B, T, dim)."""
        y, m = self.attention_norm(y), self.memory_norm(m)
        gate = torch.sigmoid(self.weight[0] * y + self.weight[1] * m + self.bias)
        return self.out(torch.lerp(y, m, gate)), gate
