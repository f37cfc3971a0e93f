"""Gathering moments while a run goes: the memory layers tell their weights as they pass, and the due ones are kept.

The weights of at most 64 moments stay in memory until the run ends, whatever its length.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

import numpy as np
import torch
import xarray as xr
from torch import Tensor, nn

from titans_core.layers.listen import Listener, listening
from titans_core.layers.memory import MemoryLayer
from titans_core.memory.types import Weights
from titans_core.moments import measure
from titans_core.moments.stored import MOST

SPACING = 64  # tokens from moment to moment at least, and in multiples: states pass every 32 tokens, or every chunk
SPECTRA = 320  # tokens from spectrum to spectrum at least: they cost most, and all of this stays under 5 % of a run


class Collector:
    """Keeps the memory of `model` at moments of a text of `total` tokens.

    first: the position of the text's first token in the stream, not 0 for a run that goes on from a state.
    """

    def __init__(self, model: nn.Module, total: int, first: int) -> None:
        self._layers = [module for module in model.modules() if isinstance(module, MemoryLayer)]
        self._total = total
        self._spacing = SPACING * -(-total // (SPACING * (MOST - 2)))
        layers = range(len(self._layers))
        self._watched = [_Watched(self, layer, first, first + total, self._spacing) for layer in layers]
        self._states: Tensor | None = None  # (moments, L, H, weights)

    def due(self, start: int, stop: int) -> bool:
        """Whether a moment is to be kept at one of the tokens start..stop of the stream."""
        return any(watched.due(start, stop) for watched in self._watched)

    def watching(self, position: int) -> AbstractContextManager[None]:
        """While the model is called in this thread, with `position` as its state says."""
        return listening(self._layers, self._watched, position)

    def keep(self, moment: int, layer: int, weights: Weights) -> None:
        """weights: (1, H, D_in, D_out) each."""
        flat = torch.cat([w[0].detach().flatten(1) for w in weights], 1)
        if self._states is None:
            self._states = torch.empty(MOST + 1, len(self._layers), *flat.shape, dtype=flat.dtype)
        self._states[moment, layer] = flat

    def dataset(self) -> xr.Dataset | None:
        """`measure.dataset` of all moments kept; None of a model without memory, or of a run that diverged midway."""
        if self._states is None or self._watched[0].tokens[-1] != self._total:
            return None
        tokens = np.array(self._watched[0].tokens, np.int64)
        states = self._states[: len(tokens)]
        with torch.inference_mode():
            flat = (states[:, layer].flatten(1).double() for layer in range(states.shape[1]))
            gram = torch.stack([one @ one.mT for one in flat])
            singular = _singular(states, self._layers[0].widths[-1], self._measured(tokens))
        return measure.dataset(tokens, singular.float().numpy(), gram.numpy())

    def _measured(self, tokens: np.ndarray) -> list[int]:
        """The moments that get a spectrum: every so many, and the last."""
        every = -(-SPECTRA // self._spacing)
        return sorted({*range(0, len(tokens), every), len(tokens) - 1})


class _Watched(Listener):
    """Keeps the weights of one memory layer where they are due."""

    def __init__(self, collector: Collector, layer: int, first: int, end: int, spacing: int) -> None:
        super().__init__()
        self.tokens: list[int] = []  # read at each moment kept; at the first, minus those that the state still holds
        self._collector, self._layer = collector, layer
        self._first, self._end, self._spacing = first, end, spacing
        self._due = 0

    def due(self, start: int, stop: int) -> bool:
        return not self.tokens or (self._due < stop and start < self._end)

    def passes(self, at: int, weights: Weights) -> None:
        if self.tokens and at < self._due:
            return
        self._collector.keep(len(self.tokens), self._layer, weights)
        read = at - self._first
        self.tokens.append(read)
        due = self._first + self._spacing * (max(read, 0) // self._spacing + 1)
        self._due = min(due, self._end) if at < self._end else self._end + 1


def _singular(states: Tensor, shape: tuple[int, int], measured: list[int]) -> Tensor:
    """(N, L, H, weights) to the singular values of the last `shape` of them, (L, H, N, R); NaN at other moments.

    From the smaller of W W^T and W^T W in float64, which is quicker: what is below 1e-8 of the largest is rounding.
    """
    rows, columns = shape
    found = torch.full((*states.shape[:3], min(shape)), torch.nan, dtype=torch.float64)
    last = states[measured, ..., -rows * columns :].unflatten(-1, shape).double()
    last = last if rows <= columns else last.mT
    square = last @ last.mT
    whole = square.isfinite().flatten(-2).all(-1)  # a run that diverged has no spectrum
    values = torch.linalg.eigvalsh(square.where(whole[..., None, None], torch.zeros(()).double()))
    found[measured] = values.flip(-1).clamp_min(0).sqrt().where(whole[..., None], torch.nan)
    return found.permute(1, 2, 0, 3)
