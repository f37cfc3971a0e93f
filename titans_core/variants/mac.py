"""Memory as context: read the past, attend with what was read, write what attention made of it (eqs. 21-25)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from titans_core.config import ModelConfig
from titans_core.layers.attention import Known, SegmentAttention
from titans_core.layers.combine import Combine, HeadNorm
from titans_core.layers.feed_forward import FeedForward
from titans_core.layers.memory import MemoryLayer, MemoryState
from titans_core.layers.step import Step
from titans_core.variants.block import Signals


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
        known, asked, query_tail = self.before(x, state.query_tail)
        ys, ms, named = [], [], []
        segments = zip(known.segments(self.segment), asked.split(self.segment, 2), strict=True)
        for place, (of_segment, questions) in enumerate(segments):
            # else the same for all segments: what is compiled for one then serves all
            here = step._replace(position=step.position + place * self.segment) if step.settings.timed else step
            y, m, state, signals = self.through(of_segment, questions, state, here)
            ys.append(y)
            ms.append(m)
            named.append(signals)
        x = self.after(x, torch.cat(ys, 1), torch.cat(ms, 1))
        joined = {name: torch.cat([n[name] for n in named], 2) for name in named[0]} if step.signals else {}
        return x, state._replace(query_tail=query_tail), joined

    def before(self, x: Tensor, query_tail: Tensor) -> tuple[Known, Tensor, Tensor]:
        """What depends on the tokens alone: attention's q, k, v, the questions to the past, and their last inputs."""
        h = self.norm(x)
        return self.attention.known(h), *self.memory.queries(h, query_tail)

    def through(
        self, known: Known, asked: Tensor, state: MemoryState, step: Step
    ) -> tuple[Tensor, Tensor, MemoryState, Signals]:
        """One segment: what attention made of it, what the memory says to that after its write, and the state."""
        read = self.memory.recall(asked, state, step)  # eq. 21: h = M_{t-1}(q)
        y, share = self.attention(known, self.read_norm(read) + self.read_mark)  # eqs. 22-23
        y = self.write_norm(self.mix(y))
        m, state, signals = self.memory(y, state, step)  # eq. 24: write y, then read
        if step.signals is True:
            signals |= _shares(share.detach(), asked.shape[2])
        return y, m, state, signals

    def after(self, x: Tensor, y: Tensor, m: Tensor) -> Tensor:
        """eq. 25, o = y (x) M_t(y), and the feed-forward layer."""
        return self.feed_forward(x + self.combine(y, m)[0])


def _shares(share: Tensor, length: int) -> Signals:
    """The attention mass (B, H, C) on each part of [persistent | read | segment]."""
    parts = share.split((share.shape[-1] - 2 * length, length, length), -1)
    names = ("share_persistent", "share_memory", "share_segment")
    return {name: part.sum(-1) for name, part in zip(names, parts, strict=True)}
