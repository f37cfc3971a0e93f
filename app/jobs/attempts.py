"""What a server knows of the jobs that were begun in it, and how many it takes."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, replace

from app.jobs import Busy, Job, Probe, Progress, SanityCheck
from app.jobs.line import EACH, MOST
from app.theme import about

KEPT = 50  # ended attempts remembered


@dataclass
class Attempt:
    """A job that was begun to be found under `name`. job: without its text, which the worker reads from the ledger.

    seconds: that it is expected to take; None where nothing is known.
    """

    id: str
    name: str
    job: Job | SanityCheck | Probe
    person: str
    progress: Progress
    seconds: float | None
    started: float = 0.0

    @property
    def live(self) -> bool:
        return self.progress.live

    @property
    def left(self) -> float | None:
        """Seconds until it ends."""
        at = self.progress
        if at.state != "running" or not at.done:
            return self.seconds
        return (at.total - at.done) * max(time.monotonic() - self.started, 1e-3) / at.done

    def goes(self, state: str, done: object, total: object) -> None:
        """Take over how far it is: of `total` tokens `done`."""
        if type(done) is not int or type(total) is not int or not 0 <= done <= total:
            return
        if state == "running" and self.progress.state != "running":
            self.started = time.monotonic()
        self.progress = replace(self.progress, state=state, done=done, total=total)

    def where(self, before: list[Attempt], room: int = 1) -> Progress:
        """Its progress with what is expected of it. before: the jobs that are done before it, `room` at once."""
        at = self.progress
        if at.state == "running":
            return replace(at, seconds_left=self.left if at.done else None)
        wait = [one.left for one in before]
        return replace(at, ahead=len(before), seconds_left=None if None in wait else sum(filter(None, wait)) / room)


class Attempts:
    """Not safe to call from several threads at once."""

    def __init__(self) -> None:
        self._known: dict[str, Attempt] = {}
        self._latest: dict[str, str] = {}  # name -> the attempt that was begun last

    def __getitem__(self, attempt: str) -> Attempt:
        return self._known[attempt]

    def get(self, attempt: str) -> Attempt | None:
        return self._known.get(attempt)

    def under(self, name: str) -> Attempt | None:
        """The latest attempt under this name; None where none was begun here, or that was long ago."""
        return self._known.get(self._latest.get(name, ""))

    def live(self) -> list[Attempt]:
        return [known for known in self._known.values() if known.live]

    def add(
        self, name: str, job: Job | SanityCheck | Probe, person: str, at: Progress, seconds: float | None
    ) -> Attempt:
        ended = [one for one, known in self._known.items() if not known.live]
        for one in ended[:-KEPT]:
            del self._known[one]
        self._latest = {name: one for name, one in self._latest.items() if one in self._known}
        if isinstance(job, Job):
            job = replace(job, text="", places="")
        new = Attempt(secrets.token_hex(16), name, job, person, at, seconds)
        self._known[new.id], self._latest[name] = new, new.id
        return new

    def in_use(self) -> frozenset[str]:
        """What is stored and must stay for jobs that wait or go: their ids, and what they are about or begin with."""
        live = self.live()
        about = (known.job.begin.partition("/")[0] if isinstance(known.job, Job) else known.job.of for known in live)
        return frozenset([*(known.id for known in live), *(known.name for known in live), *about])

    def refuse(self, person: str) -> None:
        """Raise Busy where one more job is one too many. The server itself, "", asks for little and is not refused."""
        live = self.live()
        if person and sum(known.person == person for known in live) >= EACH:
            raise Busy(
                f"You have {EACH} runs waiting or going, which is the most for one person. Wait until one of them is "
                "done, or cancel one."
            )
        if person and len(live) >= MOST:
            soonest = min((left for known in live if (left := known.left) is not None), default=None)
            when = "in a while" if soonest is None else f"in {about(max(1.0, soonest))}"
            raise Busy(f"{MOST} runs are waiting or going, which is the most that this server takes. Try again {when}.")
