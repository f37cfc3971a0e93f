"""How much of every token's write stands in the weights now, by the gates alone, kept up as a text is read."""

from __future__ import annotations

import numpy as np


class Left:
    """A[s,t] of docs/math.md for all tokens t read so far, where s is the last of them, head by head.

    Of the push of token t the momentum holds E[s,t], the product of eta over the tokens after it, and the weights
    A[s,t] = (1 - alpha_s) A[s-1,t] + E[s,t], with A[t,t] = E[t,t] = 1.
    """

    def __init__(self, heads: int) -> None:
        self._parts: list[np.ndarray] = [np.empty((2, heads, 0))]  # A and E, (2, H, tokens)

    def add(self, eta: np.ndarray, alpha: np.ndarray) -> None:
        """The next tokens: eta, alpha (H, n), float64."""
        heads, count = eta.shape
        keep, carried = np.ones(heads), np.ones(heads)  # what becomes of A and E of a token before these
        pushed = np.zeros(heads)  # what its momentum adds to A
        here = np.zeros((2, heads, count))
        for t in range(count):
            stay = 1 - alpha[:, t]
            here[1, :, :t] *= eta[:, t, None]
            here[0, :, :t] = here[0, :, :t] * stay[:, None] + here[1, :, :t]
            here[:, :, t] = 1.0
            carried = carried * eta[:, t]
            pushed = pushed * stay + carried
            keep = keep * stay
        (earlier,) = self._parts = [np.concatenate(self._parts, 2)]
        earlier[0] = earlier[0] * keep[:, None] + earlier[1] * pushed[:, None]
        earlier[1] *= carried[:, None]
        self._parts.append(here)

    def now(self) -> np.ndarray:
        """(H, tokens)"""
        return np.concatenate(self._parts, 2)[0]
