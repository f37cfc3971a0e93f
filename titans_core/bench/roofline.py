"""Part "roofline": the rate of this machine's own matrix products, and how much of it the memory reaches."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from titans_core.bench import counts, readers
from titans_core.bench.clock import Contestant, Row, products_in, race
from titans_core.bench.memory import backward, forward
from titans_core.bench.setup import Setup

# what they do, and how a heading calls them
ONE_BY_ONE = ("products of a pass, chunk by chunk", "chunk by chunk")
AT_ONCE = ("products of a pass, all chunks at once", "all at once")
LARGE = ("one large product", "one large")
COPY = ("copy", "copy")


def measure(setup: Setup) -> list[Row]:
    """Counts, then rows of products and a copy (kind "machine") and of the memory (kind "path"), per precision.

    Each has the FLOPs and bytes of one call. The first two run the very products of a forward pass.
    """
    shape = setup.shape
    reader = readers.memory(shape, setup.device)
    work = counts.forward_flops(shape) * shape.read
    moved = counts.moved_bytes(shape) * shape.read
    rows = [_counts(setup)]
    for precision in setup.precisions:
        size = 256 if setup.quick else 8192 if setup.cuda else 1024
        with products_in(precision):
            made = [
                _machine(ONE_BY_ONE, _products(setup, 1), flops=work),
                _machine(AT_ONCE, _products(setup, shape.tokens // shape.chunk), flops=work),
                _machine(LARGE, _large(size, setup.device), flops=2 * size**3),
                _machine(COPY, _copy(setup), bytes=2 * _copied(setup)),
                Contestant("forward", forward(reader), shape.read, about=_path(work, moved)),
                Contestant("forward and backward", backward(reader), shape.read, about=_path(3 * work, 3 * moved)),
            ]
            rows += [row | {"precision": precision} for row in race(made, setup)]
    return rows


def _counts(setup: Setup) -> Row:
    """Counts of a token, and how many memories there are for how many processors."""
    shape = setup.shape
    processors = torch.cuda.get_device_properties(setup.device).multi_processor_count if setup.cuda else 0
    return {
        "kind": "counts",
        "forward_flops": counts.forward_flops(shape),
        "backward_flops": counts.backward_flops(shape),
        "purposes": counts.purposes(shape),
        "moved_bytes": counts.moved_bytes(shape),
        "carried_bytes": counts.carried_bytes(shape),
        "memories": shape.rows,
        "processors": processors,
    }


def _machine(name: tuple[str, str], run: Callable[[], object], **work: float) -> Contestant:
    return Contestant(name[0], run, 0, about={"kind": "machine", "short": name[1], **work})


def _path(flops: float, moved: float) -> Row:
    return {"kind": "path", "flops": flops, "bytes": moved}


def _products(setup: Setup, chunks: int) -> Callable[[], object]:
    """All products of a forward pass, `chunks` of them in one batched call. On CUDA a graph: launches cost nothing."""
    shape, turns = setup.shape, setup.shape.tokens // setup.shape.chunk // chunks
    batch = shape.rows * chunks
    sets: list[tuple[Tensor, Tensor, Tensor]] = []
    for _, m, k, n, times in counts.products(shape):
        a, b = (torch.randn(batch, *size, device=setup.device) for size in ((m, k), (k, n)))
        sets += [(a, b, torch.empty(batch, m, n, device=setup.device))] * times

    def run() -> None:
        for _ in range(turns):
            for a, b, out in sets:
                torch.bmm(a, b, out=out)

    return _graph(run) if setup.cuda else run


def _graph(run: Callable[[], None]) -> Callable[[], object]:
    run()  # libraries make their workspaces outside
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()

    def replay() -> object:
        graph.replay()
        return run  # with it lives what the graph reads

    return replay


def _large(size: int, device: torch.device) -> Callable[[], object]:
    a, b, out = (torch.randn(size, size, device=device) for _ in range(3))
    return lambda: torch.mm(a, b, out=out)


def _copied(setup: Setup) -> int:
    """Bytes: far more than any cache holds."""
    return 2**20 if setup.quick else 2**30 if setup.cuda else 2**28


def _copy(setup: Setup) -> Callable[[], object]:
    source, target = (torch.zeros(_copied(setup) // 4, device=setup.device) for _ in range(2))
    return lambda: target.copy_(source)
