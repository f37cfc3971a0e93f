"""Softmax attention: in a sliding window, and inside one segment over [persistent | read | segment].

Shapes: B batch, T tokens, H heads, D head width, P persistent tokens, W window, N windows. Both return the
concatenated heads (B, T, H*D); the block that uses them owns the output projection.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from titans_core.config import ModelConfig


class Cache(NamedTuple):
    """Keys and values of the last W tokens, oldest first: (B, H, W, D), and how many of them are real."""

    k: Tensor
    v: Tensor
    filled: int


class _Projections(nn.Module):
    """q, k, v of tokens and of the learned persistent tokens p (eq. 19)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.window = config.window
        self.qkv = nn.Linear(config.dim, 3 * config.dim, bias=False)
        self.persistent = nn.Parameter(torch.empty(config.persistent, config.dim))

    def split(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, T, H*D) -> q, k, v (B, H, T, D), with q and k normalised."""
        q, k, v = self.qkv(x).unflatten(-1, (3 * self.heads, -1)).transpose(1, 2).chunk(3, 1)
        return F.rms_norm(q, q.shape[-1:]), F.rms_norm(k, k.shape[-1:]), v

    def prefix(self, batch: int) -> tuple[Tensor, Tensor]:
        """Keys and values of the persistent tokens: (B, H, P, D). They have no position."""
        _, k, v = self.split(self.persistent[None])
        return k.expand(batch, -1, -1, -1), v.expand(batch, -1, -1, -1)


class WindowAttention(_Projections):
    """Token t attends to the persistent tokens and to tokens t-W+1..t."""

    def forward(self, x: Tensor, cache: Cache | None, position: int | Tensor) -> tuple[Tensor, Cache]:
        batch, length, _ = x.shape
        window = self.window
        q, k, v = self.split(x)
        rotation = rotary(position, length, q.shape[-1], x)
        q, k = rotate(q, rotation), rotate(k, rotation)
        if cache is None:
            cache = Cache(
                torch.zeros_like(k[:, :, :1]).expand(-1, -1, window, -1),
                torch.zeros_like(v[:, :, :1]).expand(-1, -1, window, -1),
                0,
            )
        spare = -length % window
        past_k, past_v = torch.cat((cache.k, k), 2), torch.cat((cache.v, v), 2)
        queries = F.pad(q, (0, 0, 0, spare)).unflatten(2, (-1, window)).transpose(1, 2)  # (B, N, H, W, D)
        keys, values = (_pairs(F.pad(x, (0, 0, 0, spare)), window) for x in (past_k, past_v))
        prefix_k, prefix_v = (x[:, None].expand(-1, keys.shape[1], -1, -1, -1) for x in self.prefix(batch))
        mask = _window_mask(keys.shape[1], window, prefix_k.shape[3], cache.filled, x.device)
        out = F.scaled_dot_product_attention(
            queries.flatten(0, 1),
            torch.cat((prefix_k, keys), 3).flatten(0, 1),
            torch.cat((prefix_v, values), 3).flatten(0, 1),
            attn_mask=mask.expand(batch, -1, -1, -1, -1).flatten(0, 1),
        )
        out = out.unflatten(0, (batch, -1)).transpose(2, 3).flatten(3).flatten(1, 2)[:, :length]
        return out, Cache(past_k[:, :, -window:], past_v[:, :, -window:], min(window, cache.filled + length))


class Known(NamedTuple):
    """What attention in segments needs that no read has part in: of all tokens, (B, H, T, D), positions turned in; of
    the persistent tokens, (B, H, P, D); the rotation of a segment's positions; and what is added to the scores of a
    segment of C tokens, (C, P + 2C): 0 or, where there is nothing to see, -inf."""

    q: Tensor
    k: Tensor
    v: Tensor
    prefix: tuple[Tensor, Tensor]
    rotation: tuple[Tensor, Tensor]
    mask: Tensor

    def segments(self, size: int) -> list[Known]:
        """Of each segment of `size` tokens; the last may be shorter."""
        parts = zip(self.q.split(size, 2), self.k.split(size, 2), self.v.split(size, 2), strict=True)
        whole = [self._replace(q=q, k=k, v=v) for q, k, v in parts]
        last = whole[-1]
        if last.q.shape[2] != len(self.mask):
            whole[-1] = last._replace(mask=_segment_mask(last.q, self.prefix[0].shape[2]))
        return whole


class SegmentAttention(_Projections):
    """Causal attention inside one segment, over [persistent | read | segment] (eq. 22-23).

    The read made for position j is visible to positions >= j only: it was made with that token's query.
    """

    def known(self, x: Tensor) -> Known:
        """Of tokens x (B, T, H*D) that begin with a segment's first."""
        q, k, v = self.split(x)
        rotation = rotary(0, self.window, q.shape[-1], q)
        turns = -(-x.shape[1] // self.window)
        cos, sin = (part.repeat(turns, 1)[: x.shape[1]] for part in rotation)
        prefix = self.prefix(x.shape[0])
        mask = _segment_mask(q[:, :, : self.window], prefix[0].shape[2])
        return Known(rotate(q, (cos, sin)), rotate(k, (cos, sin)), v, prefix, rotation, mask)

    def forward(self, known: Known, read: Tensor) -> tuple[Tensor, Tensor]:
        """known: of one segment of C tokens; read: (B, C, H*D).

        Returns the output (B, C, H*D) and who attends to what, (B, H, C, P + 2C), each row adding up to 1.
        """
        length = read.shape[1]
        keys_values = F.linear(read, self.qkv.weight[read.shape[2] :])
        k, v = keys_values.unflatten(-1, (2 * self.heads, -1)).transpose(1, 2).chunk(2, 1)
        cos, sin = known.rotation
        k = rotate(F.rms_norm(k, k.shape[-1:]), (cos[:length], sin[:length]))
        prefix_k, prefix_v = known.prefix
        keys = torch.cat((prefix_k, k, known.k), 2)
        scores = torch.baddbmm(known.mask, known.q.flatten(0, 1), keys.flatten(0, 1).mT, alpha=k.shape[-1] ** -0.5)
        share = scores.unflatten(0, k.shape[:2]).softmax(-1)
        return (share @ torch.cat((prefix_v, v, known.v), 2)).transpose(1, 2).flatten(2), share


def rotary(position: int | Tensor, length: int, width: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines and sines of rotary positions, (length, width/2). Angles in float64: exact at a million tokens too."""
    steps = position + torch.arange(length, dtype=torch.float64, device=like.device)
    rates = 10_000.0 ** (-torch.arange(0, width, 2, dtype=torch.float64, device=like.device) / width)
    angles = steps[:, None] * rates
    return angles.cos().to(like.dtype), angles.sin().to(like.dtype)


def rotate(x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """Turn each pair (i, i + width/2) of x by its angle."""
    cos, sin = rotation
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)


def _segment_mask(q: Tensor, prefix: int) -> Tensor:
    """Of a segment with queries q (B, H, C, D), for (C, P + 2C) scores."""
    length = q.shape[2]
    ahead = q.new_full((length, length), float("-inf")).triu(1)
    return torch.cat((q.new_zeros(length, prefix), ahead, ahead), 1)


def _pairs(x: Tensor, window: int) -> Tensor:
    """(B, H, (N+1)*W, D) -> (B, N, H, 2W, D): each window with the one before it."""
    blocks = x.unflatten(2, (-1, window)).transpose(1, 2)
    return torch.cat((blocks[:, :-1], blocks[:, 1:]), 3)


def _window_mask(count: int, window: int, prefix: int, filled: int, device: torch.device) -> Tensor:
    """(N, 1, W, P + 2W): who may see whom."""
    i = torch.arange(window, device=device)[:, None]
    j = torch.arange(2 * window, device=device)[None]
    band = (j > i) & (j <= i + window)
    mask = band.expand(count, -1, -1).clone()
    mask[0] &= j >= window - filled
    return F.pad(mask, (prefix, 0), value=True)[:, None]
