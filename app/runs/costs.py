"""What runs and probes will take, as this server has measured it."""

from __future__ import annotations

from dataclasses import dataclass

from app.jobs.times import TYPICAL
from app.runs import server

# Used by the cost line until this server has measured a run itself; see also times.TYPICAL.
TYPICAL_READING = {("grid", "cpu"): 7_000.0}  # of a kind of probe that records nothing
TYPICAL_WEIGHT = 220.0  # stored bytes a token


@dataclass(frozen=True)
class Cost:
    """What a run will take: seconds, stored bytes, and whether this server has measured it itself."""

    seconds: float
    bytes: float
    measured: bool


def cost(tokens: int, checkpoints: tuple[str, ...], device: str) -> Cost:
    """Estimate for one text through several checkpoints, one after the other."""
    speeds = [server.local().speed(name, device) for name in checkpoints]
    seconds = sum(tokens / (speed or TYPICAL[device]) for speed in speeds)
    stored = sum(tokens * server.local().weight.get(name, TYPICAL_WEIGHT) for name in checkpoints)
    return Cost(seconds, stored, all(speeds))


def seconds(kind: str, tokens: int, checkpoint: str, device: str) -> float:
    """Estimate for one probe of this kind (app.probing) that reads so many tokens."""
    typical = TYPICAL_READING.get((kind, device), TYPICAL[device])
    return tokens / (server.local().speed(checkpoint, device, kind) or typical)
