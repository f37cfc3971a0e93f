"""The sizes of a pyramid and the rows of its arrays."""

from __future__ import annotations

import numpy as np

from titans_core.signals import sum_layers

GROUP = "pyramid"
LONG = 65_536  # tokens from which a pyramid is stored: below, a whole variable is four stored chunks
FIRST = 128  # tokens of the smallest bins: the pyramid takes 4 % of a store, at 64 it would take 9 %
FACTOR = 8
STORED = 1_024  # bins per stored chunk, a multiple of FACTOR
BLOCK = 16_384  # tokens measured at once


def level_sizes(tokens: int) -> list[int]:
    """Tokens per bin of each level of a run, finest first."""
    sizes = [FIRST]
    while -(-tokens // sizes[-1]) > STORED:
        sizes.append(sizes[-1] * FACTOR)
    return sizes


def row_of_all(name: str, values: np.ndarray) -> np.ndarray:
    """(layers, t) to (1, t): all layers together, by the rule of the signal. A run that diverged is no warning here."""
    with np.errstate(all="ignore"):
        return sum_layers(name, values)[None]
