"""How fast the latest jobs were, and how much runs stored: for what the next ones are expected to take."""

from __future__ import annotations

from collections import deque
from typing import Any

from app.jobs import Job, Probe, SanityCheck, sanity, store

REPRESENTATIVE = 500  # tokens; the fixed costs of a shorter job say nothing about the next
RUN = "run"  # beside the kinds of probes
TYPICAL = {"cpu": 2_500.0, "cuda": 20_000.0}  # tokens a second, until this server has measured a run itself
CHARACTERS = 3.0  # a token, of English prose


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
        measured = self._measured(checkpoint, device, kind)
        return sum(t for t, _ in measured) / sum(s for _, s in measured) if measured else None

    def seconds(self, job: Job | SanityCheck | Probe) -> float | None:
        """How long it will take; None of a probe where no other of its kind was measured."""
        if isinstance(job, Probe):  # how much it reads, its kind knows
            measured = self._measured(job.checkpoint, job.device, job.kind)
            return sum(s for _, s in measured) / len(measured) if measured else None
        if isinstance(job, Job):
            tokens = len(job.text) / CHARACTERS
        else:
            tokens = 3 * min(int((store.facts(job.of) or {}).get("tokens", 0)), sanity.LIMIT)
        return tokens / (self.speed(job.checkpoint, job.device) or TYPICAL[job.device])

    def _measured(self, checkpoint: str, device: str, kind: str) -> list[tuple[int, float]]:
        latest = list(self._latest.get((kind, checkpoint, device), ()))
        times = self._latest.items()
        return latest or [one for (what, _, where), some in times if (what, where) == (kind, device) for one in some]
