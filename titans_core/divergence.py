"""Where a memory stopped being finite: the run ends there, and what comes after is undefined."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from titans_core.variants.block import Signals

_WATCHED = ("memory", "momentum", "read")  # all of a layer's memory that later tokens and layers depend on


class Lost(NamedTuple):
    """The first token of the text at which the memory of a layer is not finite, and the lowest such layer."""

    token: int
    layer: int


def lowest(signals: Signals) -> int | None:
    """The lowest layer with a value that is not finite; None where there is none. signals: name -> (layers, ...)."""
    watched = _watched(signals)
    if not watched:  # a model without memory
        return None
    bad = ~torch.stack(watched).all(0)
    return int(bad.int().argmax()) if bad.any() else None


def finite(signals: Signals, device: torch.device) -> Tensor:
    """Whether all layers have finite values only, as a tensor () on `device`: nothing waits for it."""
    watched = _watched(signals)
    return torch.stack(watched).all() if watched else torch.ones((), dtype=torch.bool, device=device)


def _watched(signals: Signals) -> list[Tensor]:
    return [signals[name].isfinite().flatten(1).all(1) for name in _WATCHED if name in signals]


def search(read: Callable[[int], Signals], length: int, layer: int) -> Lost:
    """Where in a call of `length` tokens the memory of `layer`, or of one below, stopped being finite.

    read: the signals of the call's first so many tokens. A value that is not finite spoils its whole block of tokens,
    those before it too; so shorter calls are tried.
    """
    good, bad = 0, length  # so many tokens alone are finite, and so many are not
    while bad - good > 1:
        middle = (good + bad) // 2
        found = lowest(read(middle))
        if found is None:
            good = middle
        else:
            bad, layer = middle, found
    return Lost(good, layer)
