"""Our own readers of a sequence: the memory alone, the whole layer around it, attention and linear attention."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from titans_core.bench.counts import Shape
from titans_core.config import ModelConfig
from titans_core.layers.lightning import decay_rates, lightning_attention
from titans_core.layers.step import Step
from titans_core.memory import MemoryScan, memory_scan
from titans_core.model import Model
from titans_core.settings import Settings
from titans_core.variants.lmm import LmmBlock

WINDOW = 128
SILU_SQUARE = 0.356  # mean square of SiLU of unit-variance inputs: a deep memory's curvature, as in layers/memory.py


@dataclass(frozen=True)
class Reader:
    """call: to what is read, (B, T, ...). leaves: what gradients are taken to. tokens: of one call."""

    name: str
    call: Callable[[], Tensor]
    leaves: Sequence[Tensor]
    tokens: int
    includes: str


@dataclass(frozen=True)
class Given:
    """q, k, v (B, H, T, D), theta, eta, alpha (B, H, T) and weights of `memory_scan`: a step that is stable, unit keys,
    a last layer of zeros, as a model begins."""

    inputs: tuple[Tensor, ...]
    weights: tuple[Tensor, ...]
    chunk: int

    def scan(self, signals: bool = False) -> MemoryScan:
        q, k, v, theta, eta, alpha = self.inputs
        return memory_scan(q, k, v, theta, eta, alpha, self.weights, chunk=self.chunk, signals=signals)


def given(shape: Shape, device: torch.device, *, grad: bool = True) -> Given:
    """grad: gradients can be taken to all of it."""
    random = torch.Generator(device).manual_seed(shape.depth)
    lead = (shape.batch, shape.heads, shape.tokens)

    def draw(*size: int) -> Tensor:
        return torch.randn(*size, generator=random, device=device)

    q, k, v = (draw(*lead, shape.width) for _ in range(3))
    theta, eta, alpha = (draw(*lead).sigmoid() for _ in range(3))
    curvature = 1.0 if shape.depth == 1 else SILU_SQUARE * shape.hidden
    gates = (0.5 * theta * (1 - eta / 2) / (shape.chunk * curvature), 0.5 * eta, 0.01 * alpha)
    weights = [draw(shape.batch, shape.heads, *size) for size in shape.layers]
    weights[-1] = torch.zeros_like(weights[-1])
    inputs = (F.normalize(q, dim=-1), F.normalize(k, dim=-1), v, *gates)
    for leaf in (*inputs, *weights):
        leaf.requires_grad_(grad)
    return Given(inputs, tuple(weights), shape.chunk)


def memory(shape: Shape, device: torch.device) -> Reader:
    own = given(shape, device)
    what = f"memory_scan, depth {shape.depth}, chunk {shape.chunk}"
    includes = "writes and reads of q, k, v and gates as given; nothing before or after"
    return Reader(what, lambda: own.scan().reads, (*own.inputs, *own.weights), shape.read, includes)


def layer(shape: Shape, device: torch.device) -> Reader:
    config = ModelConfig(
        variant="lmm",
        dim=shape.dim,
        heads=shape.heads,
        layers=1,
        window=shape.chunk,
        chunk=shape.chunk,
        memory_depth=shape.depth,
        memory_hidden=shape.hidden,
    )
    torch.manual_seed(0)
    block = Model(config).blocks[0].to(device)
    assert isinstance(block, LmmBlock)  # noqa: S101 (tells the type checker)
    x = torch.randn(shape.batch, shape.tokens, shape.dim, device=device, requires_grad=True)
    step = Step(0, Settings(), False)

    def call() -> Tensor:
        h = block.norm(x)
        reads, _, _ = block.memory(h, block.start(shape.batch), step)
        out: Tensor = block.memory_output(reads, h)
        return out

    used = (block.norm, block.memory, block.memory_output)
    includes = "norm, projections, convolution, gates, step cap, memory_scan, head norm, output gate and projection"
    leaves = (x, *(p for part in used for p in part.parameters()))
    return Reader("our whole layer around it", call, leaves, shape.read, includes)


def attention(shape: Shape, device: torch.device) -> list[Reader]:
    q, k, v, *_ = given(shape, device).inputs
    rates = decay_rates(shape.heads, 0, 2, device)
    state = torch.zeros(shape.batch, shape.heads, shape.width, shape.width, device=device)
    includes = "q, k, v as given; nothing before or after"
    calls = {
        "attention, all tokens before": lambda: F.scaled_dot_product_attention(q, k, v, is_causal=True),
        f"attention, window {WINDOW}": lambda: windowed(q, k, v),
        "lightning attention": lambda: lightning_attention(q, k, v, rates, state)[0],
    }
    return [Reader(name, call, (q, k, v), shape.read, includes) for name, call in calls.items()]


def windowed(q: Tensor, k: Tensor, v: Tensor, window: int = WINDOW) -> Tensor:
    """Token t attends to tokens t-window+1..t: blocks of `window` queries over twice as many keys. (B, H, T, D), T a
    multiple of the window."""
    i = torch.arange(window, device=q.device)[:, None]
    j = torch.arange(2 * window, device=q.device)
    band = (j > i) & (j <= i + window)
    blocks = q.unflatten(2, (-1, window)).flatten(0, 1)  # four dimensions: what the fused kernels take
    first = (torch.arange(blocks.shape[1], device=q.device) == 0)[:, None, None]  # has no block before it
    mask = band & ~(first & (j < window))
    read = F.scaled_dot_product_attention(blocks, _pairs(k, window), _pairs(v, window), attn_mask=mask)
    return read.reshape(q.shape)


def _pairs(x: Tensor, window: int) -> Tensor:
    """(B, H, N*W, D) -> (B*H, N, 2W, D): each block with the one before it."""
    blocks = F.pad(x, (0, 0, window, 0)).unflatten(2, (-1, window)).flatten(0, 1)
    return torch.cat((blocks[:, :-1], blocks[:, 1:]), 2)
