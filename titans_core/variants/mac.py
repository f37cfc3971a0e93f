"""Memory as context: read the past, attend with what was read, write what attention made of it (eqs. 21-25)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from titans_core.config import ModelConfig
from titans_core.layers.attention import SegmentAttention
from titans_core.layers.feed_forward import FeedForward
from titans_core.layers.memory import Combine, HeadNorm, MemoryLayer, MemoryState
from titans_core.variants.block import Signals, Step


class MacBlock(nn.Module):
    """One segment of `window` tokens after the other; calls must begin at a segment's first token."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.segment = config.window
        self.norm = nn.RMSNorm(config.dim)
        self.memory = MemoryLayer(config)
        self.read_norm = HeadNorm(config)
        self.read_mark = nn.Parameter(torch.zeros(config.dim))  # tells a read from a token
        self.attention = SegmentAttention(config)
        self.mix = nn.Linear(config.dim, config.dim, bias=False)
        self.write_norm = nn.RMSNorm(config.dim)
        self.combine = Combine(config)
        self.feed_forward = FeedForward(config)

    def start(self, batch: int) -> MemoryState:
        return self.memory.start(batch)

    def forward(self, x: Tensor, state: MemoryState, step: Step) -> tuple[Tensor, MemoryState, Signals]:
        outs, named = [], []
        for segment in self.norm(x).split(self.segment, 1):
            read, state = self.memory.recall(segment, state, step.settings)  # eq. 21: h = M_{t-1}(q)
            y, shares = self.attention(segment, self.read_norm(read) + self.read_mark)  # eqs. 22-23
            y = self.write_norm(self.mix(y))
            m, state, signals = self.memory(y, state, step.settings, step.signals)  # eq. 24: write y, then read
            outs.append(self.combine(y, m)[0])  # eq. 25: o = y (x) M_t(y)
            named.append({**signals, **shares})
        x = self.feed_forward(x + torch.cat(outs, 1))
        return (
            x,
            state,
            {name: torch.cat([n[name] for n in named], 2) for name in named[0]} if step.signals else {},
        )
