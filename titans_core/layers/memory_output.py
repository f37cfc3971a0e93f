"""What a block makes of the memory's reads when no attention stands beside them (mal, lmm)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from titans_core.config import ModelConfig
from titans_core.layers.combine import HeadNorm


class MemoryOutput(nn.Module):
    """Normalise the reads, gate them with a linear map of the token, project (section 4.4): (B, T, dim)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.norm = HeadNorm(config)
        self.gate = nn.Linear(config.dim, config.dim, bias=False)
        self.out = nn.Linear(config.dim, config.dim, bias=False)

    def forward(self, reads: Tensor, x: Tensor) -> Tensor:
        out: Tensor = self.out(self.norm(reads) * F.silu(self.gate(x)))
        return out
