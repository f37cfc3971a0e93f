"""One slab of a model as a function of buffers at fixed places, recorded as a CUDA graph on a GPU."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Lock
from typing import Any, NamedTuple
from weakref import ref

import torch
from torch import Tensor

from titans_core.divergence import finite
from titans_core.layers.step import Step
from titans_core.measured import Shapes, completed, measured, packed, shapes_of
from titans_core.model import Model, ModelState
from titans_core.settings import Settings

WARM = 3  # slabs computed before one is recorded: kernels are chosen and compiled in them


class Asked(NamedTuple):
    """A slab that is being computed. before: the state it began with, flat."""

    before: Tensor
    values: Tensor  # on the host
    done: torch.cuda.Event | None

    def wait(self) -> Tensor:
        """What is recorded of it, `packed`; the last number is 0 where a memory stopped being finite."""
        if self.done is not None:
            self.done.synchronize()
        return self.values


class Buffers:
    """Ids, position and state of a slab, and what is recorded of it.

    flat: all numbers of the state, one after the other. key: what this was made for. lock: of the run that uses it.
    """

    @torch.inference_mode()
    def __init__(
        self, model: Model, settings: Settings, heads: bool, size: int, state: ModelState, key: tuple[object, ...]
    ) -> None:
        self.key, self.lock = key, Lock()
        self._model, self._settings, self._heads, self._size = ref(model), settings, heads, size
        self._like = (state.layers, state.logits)
        self.flat = _flat(self._like)
        self._ids = torch.zeros(1, size, dtype=torch.long, device=model.device)
        self._position = torch.zeros((), dtype=torch.long, device=model.device)
        self.shapes: Shapes = {}
        self._values = torch.empty(0)  # where the graph leaves them
        self._graph: torch.cuda.CUDAGraph | None = None
        if model.device.type == "cuda":
            self._record(model.device)

    @torch.inference_mode()
    def load(self, state: ModelState) -> None:
        """Go on from this state."""
        self.flat.copy_(_flat((state.layers, state.logits)))
        self._position.fill_(state.position)

    @torch.inference_mode()
    def ask(self, ids: Tensor) -> Asked:
        """Begin to compute the next slab, ids (1, size)."""
        before = self.flat.clone()
        self._ids.copy_(ids)
        if self._graph is None:
            return Asked(before, self._slab(), None)
        self._graph.replay()
        values = torch.empty(self._values.shape, pin_memory=True)
        values.copy_(self._values, non_blocking=True)
        done = torch.cuda.Event()
        done.record()
        return Asked(before, values, done)

    def parts(self, flat: Tensor) -> tuple[Any, ...]:
        """The layers and logits of a state, as views of its numbers."""
        return _rebuilt(self._like, iter(flat.split([t.numel() for t in _tensors(self._like)])))

    def _slab(self) -> Tensor:
        """Compute a slab from what is in the buffers, and leave the state after it in them."""
        model = self._model()
        assert model is not None  # noqa: S101 (who calls holds it)
        layers, before = self.parts(self.flat)
        step = Step(self._position, self._settings, True)
        logits, layers, signals = model.through(self._ids, layers, step)
        is_finite = finite(signals, self.flat.device)
        named = measured(completed(signals), logits[0], before[0], self._ids[0], self._heads)
        self.shapes = shapes_of(named)
        values = packed(named, is_finite)
        self.flat.copy_(_flat((layers, logits[:, -1])))
        self._position += self._size
        return values

    def _record(self, device: torch.device) -> None:
        with torch.cuda.device(device):
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                for _ in range(WARM):
                    self._slab()
            torch.cuda.current_stream().wait_stream(side)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                self._values = self._slab()
            self._graph = graph


def shape_of(tree: Any) -> object:
    """What two states have in common that differ in numbers alone."""
    if isinstance(tree, Tensor):
        return tree.shape, tree.dtype
    return tuple(map(shape_of, tree)) if isinstance(tree, tuple) else tree


def _tensors(tree: Any) -> Iterator[Tensor]:
    if isinstance(tree, Tensor):
        yield tree
    elif isinstance(tree, tuple):
        for part in tree:
            yield from _tensors(part)


def _flat(tree: Any) -> Tensor:
    return torch.cat([t.flatten() for t in _tensors(tree)])


def _rebuilt(tree: Any, flat: Iterator[Tensor]) -> Any:
    """The same with other numbers."""
    if isinstance(tree, Tensor):
        return next(flat).view(tree.shape)
    if not isinstance(tree, tuple):
        return tree
    parts = [_rebuilt(part, flat) for part in tree]
    return type(tree)(*parts) if hasattr(tree, "_fields") else tuple(parts)
