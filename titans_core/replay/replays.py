"""Which slabs of a run can be replayed, and their values, taken to the host while the next ones are computed."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Protocol
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from titans_core.measured import unpacked
from titans_core.model import Model, ModelState
from titans_core.replay.buffers import Asked, Buffers, shape_of
from titans_core.settings import Settings
from titans_core.signals import Arrays

AHEAD = 3  # slabs that are asked for before the first of them is waited for
LEAST = 8  # slabs for which a graph is worth making

_KEPT: WeakKeyDictionary[Model, Buffers] = WeakKeyDictionary()  # the latest of each model


class Told(Protocol):
    """What is told of the memory at some tokens of the stream."""

    def due(self, start: int, stop: int) -> bool:
        """Whether some of them are among start..stop."""


class Replays:
    """The slabs of `size` tokens of one run. heads: keep the heads apart in what is recorded."""

    def __init__(self, model: Model, settings: Settings, heads: bool, size: int) -> None:
        self._model, self._settings, self._heads, self._size = model, settings, heads, size
        self._shape: object = None  # of the state that came last
        self._after: ModelState | None = None

    def possible(self, state: ModelState, tokens: int, told: Told) -> int:
        """How many slabs after `state`, of at most so many tokens, can be read like this."""
        before, self._shape = self._shape, shape_of(state.layers)
        if before != self._shape or state.logits is None or state.pending.numel():
            return 0  # a window fills up, or a unit is not whole
        if not usable(self._model) or self._settings.timed or self._size % self._model.unit(self._settings, state):
            return 0
        most = tokens // self._size
        if most < LEAST and self._made(state) is None:
            return 0
        places = range(state.position, state.position + most * self._size, self._size)
        return next((n for n, at in enumerate(places) if told.due(at, at + self._size)), most)

    def read(self, tokens: Tensor, state: ModelState) -> Iterator[Arrays]:
        """What is recorded of each slab of `tokens` (1, n), which come after `state`.

        Ends before a slab in which a memory stops being finite.
        """
        self._after = state
        if not tokens.numel():
            return
        buffers = self._buffers(state)
        if not buffers.lock.acquire(blocking=False):
            return  # another run of the model uses them
        try:
            buffers.load(state)
            count = 0
            for asked in _ahead(buffers.ask(ids) for ids in tokens.split(self._size, 1)):
                values, flat = asked.wait(), asked.before
                if not values[-1]:
                    break
                yield unpacked(values[:-1], buffers.shapes)
                count += 1
            else:
                flat = buffers.flat.clone()
            layers, logits = buffers.parts(flat)
            position = state.position + count * self._size
            self._after = replace(state, position=position, layers=layers, logits=logits, now=layers)
        finally:
            buffers.lock.release()

    @property
    def after(self) -> ModelState:
        """The state after all slabs that the last `read` gave."""
        assert self._after is not None  # noqa: S101 (something was read)
        return self._after

    def _key(self, state: ModelState) -> tuple[object, ...]:
        place = self._model.embed.weight.data_ptr()  # a model that was moved has others
        precision = torch.get_float32_matmul_precision()
        return self._settings, self._heads, self._size, place, precision, shape_of(state.layers)

    def _made(self, state: ModelState) -> Buffers | None:
        kept = _KEPT.get(self._model)
        return kept if kept is not None and kept.key == self._key(state) else None

    def _buffers(self, state: ModelState) -> Buffers:
        found = self._made(state)
        if found is None:
            found = Buffers(self._model, self._settings, self._heads, self._size, state, self._key(state))
            _KEPT[self._model] = found
        return found


def usable(model: Model) -> bool:
    """Only where asking for kernels takes the time: the CPU does each at once."""
    return model.device.type == "cuda" and os.environ.get("TITANSCOPE_GRAPHS", "1") != "0"


def _ahead(asked: Iterator[Asked]) -> Iterator[Asked]:
    """The same, but asked for AHEAD at a time."""
    waiting = deque(islice(asked, AHEAD))
    while waiting:
        yield waiting.popleft()
        waiting.extend(islice(asked, 1))
