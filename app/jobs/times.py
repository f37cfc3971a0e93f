"""How fast the latest jobs were, and how much runs stored: for the cost lines of the next ones."""

from __future__ import annotations

from collections import deque
from typing import Any

REPRESENTATIVE = 500  # tokens; the fixed costs of a shorter job say nothing about the next
RUN = "run"  # beside the kinds of probes


class Times:
    """weight: checkpoint -> stored bytes a token of its latest run."""

    def __init__(self) -> None:
        self._latest: dict[tuple[str, str, str], deque[tuple[int, float]]] = {}  # (tokens, seconds)
        self.weight: dict[str, float] = {}

    def learn(self, facts: dict[str, Any], kind: str = RUN) -> None:
        """Take over what is written about a finished job."""
        if facts["tokens"] < REPRESENTATIVE:
            return
        latest = self._latest.setdefault((kind, facts["checkpoint"], facts["device"]), deque(maxlen=5))
        latest.append((facts["tokens"], max(facts["seconds"], 1e-3)))
        if kind == RUN:  # what a probe stores is next to nothing
            self.weight[facts["checkpoint"]] = facts["bytes"] / facts["tokens"]

    def speed(self, checkpoint: str, device: str, kind: str = RUN) -> float | None:
        """Tokens a second over the latest runs, or probes of a kind; of other checkpoints where it had none.

        None before the first.
        """
        latest = list(self._latest.get((kind, checkpoint, device), ()))
        times = self._latest.items()
        others = [one for (what, _, where), some in times if (what, where) == (kind, device) for one in some]
        measured = latest or others
        return sum(t for t, _ in measured) / sum(s for _, s in measured) if measured else None
