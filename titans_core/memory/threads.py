"""A memory's heads in threads of their own.

Heads never meet inside a memory, and its products are small: two threads that share each of them wait for each other at
every one, and their element-wise steps are too short to be shared at all. Here each thread takes some heads from the
first chunk to the last, in its own core's cache.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import torch
from torch import Tensor

from titans_core.memory.types import Weights

Form = Callable[..., tuple[list[Tensor], tuple[Weights, Weights], dict[str, Tensor] | None]]

LEAST_CHUNKS = 4  # handing over costs as much as a chunk or two
_making = threading.Lock()


def by_heads(
    form: Form, parts: list[Tensor], weights: Weights, momentum: Weights, signals: bool, share: float | None
) -> tuple[list[Tensor], tuple[Weights, Weights], dict[str, Tensor] | None]:
    """`form`, of tensors (B, H, ...), with the heads shared out among torch's threads where they divide evenly."""
    heads, count = parts[0].shape[1:3]
    threads = torch.get_num_threads()
    shares = max(n for n in range(1, min(heads, threads) + 1) if heads % n == 0)
    if shares == 1 or count < LEAST_CHUNKS:
        return form(parts, weights, momentum, signals, share, None)
    pieces = ([x.chunk(shares, 1) for x in given] for given in (parts, weights, momentum))
    per_share = zip(*(zip(*x, strict=True) for x in pieces), strict=True)
    pool = _pool(shares, threads // shares)
    waited = [pool.submit(form, list(p), w, s, signals, share, None) for p, w, s in per_share]
    return _joined([x.result() for x in waited])


def _joined(found: list[Any]) -> Any:
    """The shares' results as one: their tensors put together along the heads."""
    first = found[0]
    if isinstance(first, Tensor):
        return torch.cat(found, 1)
    if isinstance(first, dict):
        return {name: torch.cat([x[name] for x in found], 1) for name in first}
    return None if first is None else type(first)(_joined(list(x)) for x in zip(*found, strict=True))


def _pool(shares: int, each: int) -> ThreadPoolExecutor:
    with _making:
        return _made(shares, each)


@cache
def _made(shares: int, each: int) -> ThreadPoolExecutor:
    """Threads that use `each` of torch's own for their products."""
    ready = threading.Barrier(shares + 1)
    before = torch.get_num_threads()

    def start() -> None:
        torch.set_num_threads(each)  # of this thread, but also what threads made later begin with
        ready.wait()

    pool = ThreadPoolExecutor(shares, "memory", start)
    for _ in range(shares):
        pool.submit(int)
    ready.wait()
    torch.set_num_threads(before)
    return pool


os.register_at_fork(after_in_child=_made.cache_clear)  # threads do not survive a fork
