"""Reading a document to its end while listening to its memory, and stopping on the way. Needs no signals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch

from titans_core.layers.listen import Listener, listening
from titans_core.layers.memory import MemoryLayer
from titans_core.model import Model, ModelState
from titans_core.settings import Settings
from titans_core.slabs import SLAB

Progress = Callable[[int], None]  # told the tokens just read; may raise to cancel


def memories(model: Model) -> list[MemoryLayer]:
    """The memory layers of a model, lowest first; none of one without memory."""
    return [module for module in model.modules() if isinstance(module, MemoryLayer)]


def read_on(
    model: Model,
    ids: np.ndarray,
    stops: Sequence[int] = (),
    *,
    listeners: Sequence[Listener] = (),
    state: ModelState | None = None,
    settings: Settings | None = None,
    progress: Progress = lambda tokens: None,
) -> Iterator[tuple[int, ModelState]]:
    """Read `ids` (T,) and yield the state after as many tokens as each stop says, and after the last.

    listeners: one for each of `memories`, or none. state: before the first token.
    """
    tokens = torch.from_numpy(ids.astype(np.int64)).to(model.device)[None]
    wanted = {*stops, len(ids)}
    layers = memories(model) if listeners else []
    start = 0
    for stop in sorted(wanted | {*range(SLAB, len(ids), SLAB)}):
        if stop <= start:
            continue
        with torch.inference_mode(), listening(layers, listeners, 0 if state is None else state.position):
            state = model(tokens[:, start:stop], state, settings=settings).state
        progress(stop - start)
        start = stop
        if stop in wanted:
            yield stop, state
