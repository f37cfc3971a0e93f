"""Arithmetic and bytes of the memory's chunk form, counted from its shapes alone (docs/math.md).

Only products of matrices are counted, a multiplication with its addition as two FLOPs, as
torch.utils.flop_counter does: gates, SiLU and norms are under 1 % of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

FLOAT = 4  # bytes


@dataclass(frozen=True)
class Shape:
    """A memory of `depth` layers, `width` wide outside and `hidden` between them, that reads (batch, heads, tokens)."""

    batch: int = 1
    tokens: int = 4096
    heads: int = 4
    width: int = 64
    hidden: int = 128
    depth: int = 2
    chunk: int = 64

    @property
    def dim(self) -> int:
        return self.heads * self.width

    @property
    def layers(self) -> list[tuple[int, int]]:
        """(D_in, D_out) of each."""
        return list(pairwise([self.width, *[self.hidden] * (self.depth - 1), self.width]))

    @property
    def rows(self) -> int:
        """Memories that are independent of one another."""
        return self.batch * self.heads

    @property
    def read(self) -> int:
        """Tokens of one call."""
        return self.batch * self.tokens


class Product(NamedTuple):
    """(m, k) @ (k, n), `times` of one chunk of one head, and what for."""

    what: str
    m: int
    k: int
    n: int
    times: int = 1

    @property
    def flops(self) -> int:
        return 2 * self.m * self.k * self.n * self.times


def products(shape: Shape) -> list[Product]:
    """All products of one chunk of one head, going forward, in the order of `memory/scan.py`."""
    c = shape.chunk
    found = [Product("A = B E", c, c, c)]
    for place, (wide, out) in enumerate(shape.layers):
        found.append(Product("loss and slope", c, wide, out))  # a_i W
        if place:
            found.append(Product("loss and slope", c, out, wide))  # g_i W^T, for the layer below
        found.append(Product("reads of W and S", c, wide, out, 2))
        found += [Product("reads of the chunk's own writes", c, *size) for size in ((wide, c), (c, out))]  # (x . a) g
        found.append(Product("writes to W and S", wide, c, 2 * out))  # a^T g
    return found


def forward_flops(shape: Shape) -> float:
    """A token, all heads."""
    return sum(product.flops for product in products(shape)) * shape.heads / shape.chunk


def purposes(shape: Shape) -> dict[str, float]:
    """FLOPs a token, all heads, going forward, by what they are for."""
    found: dict[str, float] = {}
    for product in products(shape):
        found[product.what] = found.get(product.what, 0) + product.flops * shape.heads / shape.chunk
    return found


def backward_flops(shape: Shape) -> float:
    """A token, all heads, without anything computed again: each product has two gradients, which are products."""
    return 2 * forward_flops(shape)


def moved_bytes(shape: Shape) -> float:
    """A token, all heads, with W and S kept on chip: q, k, v and three gates are read, reads are written, once each."""
    return FLOAT * shape.heads * (4 * shape.width + 3)


def carried_bytes(shape: Shape) -> float:
    """A token, all heads, in addition where W and S are read and written once a chunk."""
    size = sum(wide * out for wide, out in shape.layers)
    return FLOAT * shape.heads * 4 * size / shape.chunk
