"""How much of every token's write stands in the weights by the gates alone: as a text is read, or at its end."""

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


def standing(eta: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """A[s,t] and E[s,t] of docs/math.md for all t, where s is the last token: eta, alpha (H, T) to (2, H, T), float64.

    From the end: E[s,t] = eta_{t+1} E[s,t+1], A[s,t] = prod (1 - alpha_j) over j > t, plus eta_{t+1} A[s,t+1].
    """
    heads, count = eta.shape
    found = np.empty((count, 2, heads))
    stay, carry = 1 - alpha.T.astype(np.float64), eta.T.astype(np.float64)
    kept, now = np.ones(heads), np.stack((np.zeros(heads), np.ones(heads)))
    for t in range(count - 1, -1, -1):
        now[0] += kept
        found[t] = now
        now *= carry[t]  # of the token before, that much comes to stand as this one does
        kept *= stay[t]
    return np.moveaxis(found, 0, 2)
