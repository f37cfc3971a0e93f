"""The dashboard's queue as a simulation of discrete events: people think, ask for runs, wait for them, think again.

Every dashboard has the product's own line (app.jobs.line): so many jobs of one person, so many in all, in turns. It
gives the pool of devices as many jobs as that has devices; those for which none is free wait there in the order in
which they were offered, at most `HELD` of a dashboard, and one more is offered again after `AGAIN` seconds. A device
does one job at a time. One dashboard and one device is the product on one machine.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from app.jobs.handing import FULL as AGAIN
from app.jobs.line import EACH, MOST, Line

HELD = 16  # jobs of a dashboard that wait for the pool: the default of `python -m app.jobs.pool --queue`
BATCHES = 20
STUDENT = 2.093  # 95 % of Student's t with 19 degrees of freedom lie within
DRAWN = 4096  # presses and thoughts that are drawn at once

# Seconds that the jobs of `count` presses take, a tuple a press.
Draw = Callable[[np.random.Generator, int], list[tuple[float, ...]]]


@dataclass(frozen=True)
class Office:
    """people: at work at once, each at one of `dashboards`. think: mean seconds from the last result to the next press.

    warm, length: seconds before anything is counted, and seconds that are counted.
    """

    people: int
    think: float
    devices: int
    dashboards: int = 1
    each: int = EACH
    most: int = MOST
    held: int = HELD
    warm: float = 600.0
    length: float = 36_000.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0 and name != "warm":
                raise ValueError(f"{name} is {value}; it must be above 0")


@dataclass(frozen=True)
class Estimate:
    """A figure of the whole time, and half the width of its 95 % interval by means of 20 batches."""

    value: float
    half: float


@dataclass(frozen=True)
class Found:
    """waits: from a press until its first job starts, by percentile, in seconds; results: until all its jobs are done.

    waited: the share of presses that waited at all. refused: the share of jobs that were not taken. utilisation: of
    the devices. rate: jobs a second that were taken. live: mean number of jobs that wait or go; each took `response`
    seconds in the mean. most: jobs of one person and of one dashboard that were ever live.
    """

    devices: int
    utilisation: float
    mean_wait: Estimate
    waits: dict[int, Estimate]
    results: dict[int, Estimate]
    waited: float
    refused: Estimate
    rate: float
    live: float
    response: float
    most: tuple[int, int]


@dataclass(eq=False, slots=True)
class _Board:
    """A dashboard. out: jobs that the pool was given; held: those of them that wait there."""

    line: Line = field(default_factory=Line)
    live: int = 0
    out: int = 0
    held: int = 0


@dataclass(eq=False, slots=True)
class _Job:
    """batch: -1 where it is not counted. first: of its press."""

    person: int
    asked: float
    seconds: float
    batch: int
    first: bool


def simulate(office: Office, draw: Draw, seed: int) -> Found:
    """The same seed gives the same result."""
    return _Day(office, draw, seed).run()


class _Day:
    """One run of the simulation. Events are (when, count, what, about)."""

    def __init__(self, office: Office, draw: Draw, seed: int) -> None:
        self.office, self.draw = office, draw
        self.chance = np.random.default_rng(seed)
        self.thoughts: list[float] = []
        self.presses: list[tuple[float, ...]] = []
        self.boards = [_Board() for _ in range(office.dashboards)]
        self.going = [0] * office.people  # live jobs of each person
        self.free = office.devices
        self.pool: deque[_Job] = deque()
        self.events: list[tuple[float, int, Callable[..., None], object]] = []
        self.count = self.live = 0
        self.now = 0.0
        self.end = office.warm + office.length
        self.areas = [0.0, 0.0]  # of jobs that are live and of devices that are busy, over time
        self.waits: list[list[float]] = [[] for _ in range(BATCHES)]
        self.results: list[list[float]] = [[] for _ in range(BATCHES)]
        self.asked, self.refused = [0] * BATCHES, [0] * BATCHES
        self.responses: list[float] = []
        self.most = [0, 0]

    def run(self) -> Found:
        for person in range(self.office.people):
            self.at(self.thought(), self.press, person)
        events = self.events
        while events and events[0][0] < self.end:
            when, _, what, about = heapq.heappop(events)
            self.pass_to(when)
            what(about)
        self.pass_to(self.end)
        for job in [*self.pool, *(about for *_, what, about in events if what == self.offer)]:
            self.started(job)  # that they still wait is not left out
        return self.found()

    def at(self, when: float, what: Callable[..., None], about: object) -> None:
        self.count += 1
        heapq.heappush(self.events, (when, self.count, what, about))

    def pass_to(self, when: float) -> None:
        if when > self.office.warm:
            lasted = when - max(self.now, self.office.warm)
            self.areas[0] += self.live * lasted
            self.areas[1] += (self.office.devices - self.free) * lasted
        self.now = when

    def thought(self) -> float:
        if not self.thoughts:
            self.thoughts = self.chance.exponential(self.office.think, DRAWN).tolist()
        return self.thoughts.pop()

    def board(self, person: int) -> _Board:
        return self.boards[person % len(self.boards)]

    def batch(self) -> int:
        """Of what is asked for now; -1 before anything is counted."""
        over = self.now - self.office.warm
        return min(int(BATCHES * over / self.office.length), BATCHES - 1) if over >= 0 else -1

    def press(self, person: int) -> None:
        """Somebody asks for the jobs of a press, as far as they are taken."""
        if not self.presses:
            self.presses = self.draw(self.chance, DRAWN)
        office, board, batch = self.office, self.board(person), self.batch()
        for seconds in self.presses.pop():
            taken = self.going[person] < office.each and board.live < office.most
            if batch >= 0:
                self.asked[batch] += 1
                self.refused[batch] += not taken
            if taken:
                self.going[person] += 1
                board.live += 1
                self.live += 1
                board.line.put(_Job(person, self.now, seconds, batch, self.going[person] == 1), person)
        self.most = [max(self.most[0], self.going[person]), max(self.most[1], board.live)]
        if not self.going[person]:
            self.at(self.now + self.thought(), self.press, person)
        self.give(board)

    def give(self, board: _Board) -> None:
        """As many jobs to the pool as it has devices."""
        while board.out < self.office.devices and len(board.line):
            board.out += 1
            self.offer(board.line.take())

    def offer(self, job: _Job) -> None:
        board = self.board(job.person)
        if self.free:
            self.start(job)
        elif board.held < self.office.held:
            board.held += 1
            self.pool.append(job)
        else:
            self.at(self.now + AGAIN, self.offer, job)

    def start(self, job: _Job) -> None:
        self.free -= 1
        self.started(job)
        self.at(self.now + job.seconds, self.done, job)

    def started(self, job: _Job) -> None:
        if job.first and job.batch >= 0:
            self.waits[job.batch].append(self.now - job.asked)

    def done(self, job: _Job) -> None:
        board = self.board(job.person)
        self.free += 1
        self.live -= 1
        board.live -= 1
        board.out -= 1
        self.going[job.person] -= 1
        if job.batch >= 0:
            self.responses.append(self.now - job.asked)
        if not self.going[job.person]:
            if job.batch >= 0:
                self.results[job.batch].append(self.now - job.asked)
            self.at(self.now + self.thought(), self.press, job.person)
        if self.pool:
            first = self.pool.popleft()
            self.board(first.person).held -= 1
            self.start(first)
        self.give(board)

    def found(self) -> Found:
        length, waits, results = (
            self.office.length,
            *([np.array(each) for each in lists if each] for lists in (self.waits, self.results)),
        )
        if not results:
            raise ValueError(f"nobody had a result in {length:g} s; let it take longer")
        shares = [no / all_ for no, all_ in zip(self.refused, self.asked, strict=True) if all_]
        return Found(
            devices=self.office.devices,
            utilisation=self.areas[1] / length / self.office.devices,
            mean_wait=_estimate(np.mean, waits),
            waits={q: _estimate(partial(np.percentile, q=q), waits) for q in (50, 95, 99)},
            results={q: _estimate(partial(np.percentile, q=q), results) for q in (50, 95)},
            waited=float((np.concatenate(waits) > 0).mean()),
            refused=Estimate(sum(self.refused) / sum(self.asked), _half(shares)),
            rate=(sum(self.asked) - sum(self.refused)) / length,
            live=self.areas[0] / length,
            response=float(np.mean(self.responses)),
            most=(self.most[0], self.most[1]),
        )


def _estimate(what: Callable[..., float], batches: list[np.ndarray]) -> Estimate:
    return Estimate(float(what(np.concatenate(batches))), _half([float(what(each)) for each in batches]))


def _half(means: list[float]) -> float:
    """Half the width of the interval; NaN of a single batch."""
    return STUDENT * float(np.std(means, ddof=1)) / len(means) ** 0.5 if len(means) > 1 else math.nan


def smallest(office: Office, draw: Draw, seed: int, promise: float) -> Found:
    """The fewest devices with which 95 of 100 presses begin within `promise` seconds, the upper end of the interval.

    The search begins at the devices of `office`, and is quick where that is a good guess.
    """

    def kept(devices: int) -> Found | None:
        found = simulate(replace(office, devices=devices), draw, seed)
        late = found.waits[95]
        return found if late.value + late.half <= promise else None

    devices, step = office.devices, max(1, office.devices // 400)
    low, high, best = 0, 0, None  # too few; the fewest that were enough, and what was found with them
    while high == 0 or high - low > 1:
        if (found := kept(devices)) is None:
            low = devices
        else:
            high, best = devices, found
        if high and low:
            devices = (low + high) // 2
        else:
            devices = max(1, devices + (step if low else -step))
            step *= 2
    assert best is not None
    return best
