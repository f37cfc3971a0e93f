"""What benchmarks/scaling.py takes from stored measurements, and what follows: functions of plain values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, median
from typing import Any

import numpy as np

from titans_core.bench import bars
from titans_core.bench.spread import measured, speed

Record = dict[str, Any]
MEMORIES = ("mac", "mag", "mal")


@dataclass(frozen=True)
class Straight:
    """fixed + each * x."""

    fixed: float
    each: float

    def at(self, x: float) -> float:
        return self.fixed + self.each * x


def straight(points: Sequence[tuple[float, float]]) -> Straight:
    """The line through (x, y) with the least squares of errors relative to y, neither part of it below 0."""
    x, y = np.array(points, float).T
    fixed, each = np.linalg.lstsq(np.stack([1 / y, x / y], 1), np.ones(len(y)), rcond=None)[0]
    if fixed < 0:
        return Straight(0.0, float(np.sum(x / y) / np.sum((x / y) ** 2)))
    return Straight(float(fixed), max(0.0, float(each)))


@dataclass(frozen=True)
class Texts:
    """Lengths of texts in tokens: lognormal, what is longer than `longest` cut there.

    median: tokens. spread: the standard deviation of the logarithm.
    """

    median: float
    spread: float
    longest: float

    @property
    def mean(self) -> float:
        """In closed form: the cut-off tail counts with `longest`."""
        at = math.log(self.longest / self.median) / self.spread
        whole = self.median * math.exp(self.spread**2 / 2)
        return whole * _below(at - self.spread) + self.longest * (1 - _below(at))

    def share_above(self, tokens: float) -> float:
        return 1 - _below(math.log(tokens / self.median) / self.spread)

    def draw(self, chance: np.random.Generator, count: int) -> np.ndarray:
        """(count,) tokens, at least 1."""
        return np.clip(chance.lognormal(math.log(self.median), self.spread, count), 1, self.longest)


def _below(deviations: float) -> float:
    return 0.5 * math.erfc(-deviations / math.sqrt(2))


@dataclass(frozen=True)
class Work:
    """What a press asks for: one of the models, or with chance `several` all of them, of one text.

    seconds: model -> seconds by tokens.
    """

    texts: Texts
    seconds: dict[str, Straight]
    several: float

    def draw(self, chance: np.random.Generator, count: int) -> list[tuple[float, ...]]:
        """As queueing.Draw."""
        tokens = self.texts.draw(chance, count).tolist()
        several = (chance.random(count) < self.several).tolist()
        one = chance.integers(len(self.seconds), size=count).tolist()
        lines = list(self.seconds.values())
        return [
            tuple(line.at(t) for line in lines) if all_ else (lines[k].at(t),)
            for t, all_, k in zip(tokens, several, one, strict=True)
        ]

    @property
    def jobs(self) -> float:
        """Of a press, in the mean."""
        return 1 + self.several * (len(self.seconds) - 1)

    @property
    def a_press(self) -> float:
        """Seconds of a device that a press takes, in the mean."""
        return self.jobs * mean(line.at(self.texts.mean) for line in self.seconds.values())


def guess(work: Work, people: int, think: float, promise: float) -> int:
    """Devices to begin a search with: as many as are always busy while people wait a little less than promised."""
    alone = mean(line.at(work.texts.mean) for line in work.seconds.values())
    return max(1, math.ceil(people * work.a_press / (think + alone + 0.8 * promise)))


def parts(records: Sequence[Record], *, cuda: bool) -> dict[str, list[Record]]:
    """What `titans bench` measured on CPUs or GPUs, by part, without what is missing."""
    found: dict[str, list[Record]] = {}
    for record in records:
        if record["cuda"] == cuda:
            found |= {part: [row for row in rows if measured(row)] for part, rows in record["parts"].items()}
    return found


def device(records: Sequence[Record], *, cuda: bool) -> str:
    """Its name; "a GPU" or "a CPU" where nothing was measured on one."""
    return next((r["device"] for r in records if r["cuda"] == cuda), "a GPU" if cuda else "a CPU")


def speeds(rows: Sequence[Record]) -> dict[str, float]:
    """Model -> tokens a second."""
    return {row["name"]: speed(row) for row in rows}


def run_seconds(runs: Sequence[Record]) -> dict[str, Straight]:
    """Model -> seconds of a run by its tokens, of what benchmarks/scaling_measured.py wrote."""
    return {model: straight([(r["tokens"], median(r["seconds"])) for r in rows]) for model, rows in by_model(runs)}


def run_bytes(runs: Sequence[Record]) -> dict[str, Straight]:
    """Model -> stored bytes of a run by its tokens."""
    return {model: straight([(r["tokens"], r["stored"]) for r in rows]) for model, rows in by_model(runs)}


def by_model(runs: Sequence[Record]) -> list[tuple[str, list[Record]]]:
    return [(m, [r for r in runs if r["model"] == m]) for m in dict.fromkeys(r["model"] for r in runs)]


def furthest_off(line: Straight, points: Sequence[tuple[float, float]]) -> float:
    """The largest error of the line relative to what was measured."""
    return max(abs(line.at(x) / y - 1) for x, y in points)


def gpu_seconds(
    own: Record | None, traces: dict[str, float], cpu: dict[str, Straight], promised: float
) -> tuple[str, dict[str, Straight]]:
    """Model -> seconds of a run on a GPU, and how that is known: "runs", "traces" or "promised".

    own: what benchmarks/scaling_measured.py wrote there, which is taken if there is any. Else a run is taken to have
    the fixed part that it has on a CPU, which is the host's work, and the speed of the long traces of `titans bench`;
    where these were not measured either, the speed that is promised, `promised` seconds for a million tokens.
    """
    if own is not None:
        found = run_seconds(own["runs"])
        return "runs", {model: found[model] for model in MEMORIES}
    if set(MEMORIES) <= traces.keys():
        return "traces", {model: Straight(cpu[model].fixed, 1 / traces[model]) for model in MEMORIES}
    return "promised", {model: Straight(cpu[model].fixed, promised / 1e6) for model in MEMORIES}


def promise(what: str) -> float:
    """What docs/performance.md promises of a GPU."""
    return next(bar.wanted for bar in bars.bars({"cuda": True}) if bar.what == what)
