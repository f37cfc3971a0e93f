"""How time and memory grow with the length of a text, where the state has a constant size and where it has not."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from titans_core.errors import ConfigError
from titans_core.layers.attention import Cache, WindowAttention, rotary, rotate
from titans_core.model import Model, ModelState
from titans_core.slabs import SLAB

LENGTHS = (1024, 4096, 16_384, 65_536, 262_144, 1_048_576)
RECENT = 4096  # tokens over which the speed at a length is taken
FULL = "full attention"


@dataclass(frozen=True)
class Point:
    """After so many tokens of one text.

    seconds: since its first token. speed: tokens a second over the latest RECENT. state: bytes that are carried to the
    next token.
    """

    tokens: int
    seconds: float
    speed: float
    state: int

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class FullAttention(WindowAttention):
    """Token t attends to the persistent tokens and to all tokens up to t: what is carried grows with the text."""

    def forward(self, x: Tensor, cache: Cache | None, position: int | Tensor) -> tuple[Tensor, Cache]:
        q, k, v = self.split(x)
        rotation = rotary(position, x.shape[1], q.shape[-1], x)
        q, k = rotate(q, rotation), rotate(k, rotation)
        if cache is not None:
            k, v = torch.cat((cache.k, k), 2), torch.cat((cache.v, v), 2)
        prefix_k, prefix_v = self.prefix(x.shape[0])
        past, length = prefix_k.shape[2] + k.shape[2] - x.shape[1], x.shape[1]
        mask = torch.ones(length, past + length, dtype=torch.bool, device=x.device).tril(past)
        out = F.scaled_dot_product_attention(
            q, torch.cat((prefix_k, k), 2), torch.cat((prefix_v, v), 2), attn_mask=mask
        )
        return out.transpose(1, 2).flatten(2), Cache(k, v, k.shape[2])


def full_attention(model: Model) -> Model:
    """A transformer with attention over everything, with the weights of one with a window.

    It was not trained so: only what it costs means something. Raises ConfigError for another variant.
    """
    if model.config.variant != "transformer":
        raise ConfigError(f"{model.name} is a {model.config.variant}; only a transformer's window can be opened")
    opened = copy.deepcopy(model)
    opened.name = FULL
    for block in opened.blocks:
        block.attention.__class__ = FullAttention  # the parameters are the same
    return opened


def growth(
    model: Model,
    ids: Tensor,
    lengths: Sequence[int] = LENGTHS,
    *,
    limit: float = 600.0,
    progress: Callable[[int, int], None] | None = None,
) -> list[Point]:
    """Read one text of as many tokens as the largest of `lengths`: ids (n,), repeated as often as it takes.

    limit: seconds after which no more is read; the lengths not reached are left out. progress(done, total) may raise.
    Raises ConfigError for lengths below 1.
    """
    if not lengths or min(lengths) < 1 or ids.numel() < 1:
        raise ConfigError(f"lengths {tuple(lengths)} must be of at least one token, and there must be tokens to read")
    points: list[Point] = []
    stops = sorted(set(lengths))
    times = [(0, time.monotonic())]
    state = None
    for start, stop in _spans(stops):
        piece = ids[torch.arange(start, stop, device=ids.device) % ids.numel()]
        with torch.inference_mode():
            state = model(piece[None], state).state
        if model.device.type == "cuda":
            torch.cuda.synchronize()
        times.append((stop, time.monotonic()))
        if progress is not None:
            progress(stop, stops[-1])
        if stop in stops:
            points.append(_point(times, _size(state)))
        if times[-1][1] - times[0][1] > limit:
            break
    return points


def _spans(stops: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Slabs, and shorter ones before a stop."""
    start = 0
    for stop in stops:
        while start < stop:
            end = min(stop, start + SLAB)
            yield start, end
            start = end


def _point(times: list[tuple[int, float]], size: int) -> Point:
    tokens, now = times[-1]
    before, then = next(at for at in reversed(times) if at[0] <= max(0, tokens - RECENT))
    return Point(tokens, now - times[0][1], (tokens - before) / (now - then), size)


def _size(state: ModelState) -> int:
    """Bytes of all tensors that a state needs to go on, each counted once."""
    found: dict[int, int] = {}

    def walk(part: object) -> None:
        if isinstance(part, Tensor):
            found[part.data_ptr()] = part.element_size() * part.numel()
        elif isinstance(part, tuple | list):
            for one in part:
                walk(one)

    walk((state.layers, state.pending, state.logits))
    return sum(found.values())
