"""Where runs execute: outside the page, behind a few calls that any engine can offer."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from app.jobs.probe import DEVICES, Probe, check_device
from app.jobs.subjects import Subject
from titans_core.errors import TitansError
from titans_core.interventions import intervene

__all__ = ["BROKEN", "DEVICES", "LIVE", "Busy", "Engine", "Job", "Probe", "Progress", "SanityCheck", "Subject"]

LIVE = ("queued", "loading", "running")
BROKEN = ("failed", "cancelled", "interrupted")  # it ended, and there is no result


class Busy(TitansError):
    """A job that is not taken now: too many wait. The message names the limit and says what to do."""


@dataclass(frozen=True)
class Job:
    """What to run: one text through one checkpoint on one device ("cpu" or "cuda").

    changes: interventions, as `titans_core.interventions.intervene` reads them. begin: of the stored memory that it
    begins with (app.jobs.memory_files.memory); "" for an empty one. places: of pages, sections and files in the text,
    as `titans_core.documents.packed` writes them; "" where there are none.
    Raises ConfigError for a device or for changes that cannot be.
    """

    checkpoint: str
    text: str
    title: str
    device: str = "cpu"
    changes: tuple[str, ...] = ()
    begin: str = ""
    places: str = ""

    def __post_init__(self) -> None:
        check_device(self.device)
        intervene(*self.changes)


@dataclass(frozen=True)
class SanityCheck:
    """Another kind of job: how far the surprise of the finished run `of` is just surprisal, rarity or position.

    Its id follows from the run's: as hard to guess, and found again by everybody who has the run.
    """

    of: str
    checkpoint: str
    title: str
    device: str = "cpu"

    def __post_init__(self) -> None:
        check_device(self.device)

    @property
    def id(self) -> str:
        return hashlib.sha256(f"sanity check 1 of {self.of}".encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Progress:
    """Where a job is.

    state: "queued", "loading", "running", "done", "failed", "cancelled" or "interrupted", by the end of its server.
    done, total: tokens. ahead: jobs that are done before it. seconds_left: estimate, until it begins while it waits,
    until it ends while it runs; None where nothing is known. message: why there is no result, in plain words.
    changes, texts: of a job that has not finished, its interventions, and the titles of what its memory had read.
    """

    state: str
    checkpoint: str
    title: str
    done: int = 0
    total: int = 0
    ahead: int = 0
    seconds_left: float | None = None
    message: str = ""
    changes: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()

    @property
    def live(self) -> bool:
        return self.state in LIVE

    @property
    def broken(self) -> bool:
        """Whether it ended without a result."""
        return self.state in BROKEN

    @property
    def failed(self) -> bool:
        """The same, where nobody wanted that."""
        return self.broken and self.state != "cancelled"


class Engine(Protocol):
    """A place where jobs execute: a worker process on this machine, or a cluster."""

    def submit(self, job: Job | SanityCheck | Probe, person: str = "") -> str:
        """Queue a job; its id cannot be guessed. A check or probe that is going or done is not begun again.

        person: who asks, to share the worker fairly; "" for the server itself. Raises Busy where that person, or all
        together, have asked for too much.
        """

    def again(self, run: str, person: str = "") -> bool:
        """Queue a job that ended without result once more, under the same id. False where what it was is not kept.

        Raises Busy.
        """

    def progress(self, run: str) -> Progress | None:
        """Where the job is, or None for an id that is unknown or expired."""

    def cancel(self, run: str) -> None:
        """Stop a job at its next chunk, its worker if that takes over 2 s. Does nothing to one that has ended."""

    def result(self, run: str) -> Path | None:
        """The trace store of a finished run, else None."""

    def memory(self, name: str) -> Path | None:
        """The file of a stored memory: "ID/memory" is that at the end of a run, "ID/began" that it began with."""

    def keep(self, data: bytes, name: str) -> str:
        """Store a memory from elsewhere, for jobs to begin with; its id. Raises StoreError unless it is a memory."""

    def answer(self, check: str) -> dict[str, Any] | None:
        """What a finished check or probe found, as plain values; else None.

        Of a check it is titans_core.probes.controls.Comparison, of a probe what its kind says (app.probing). Of a probe
        that did not finish it is what that had found, if anything, and holds "partial": True.
        """

    def keep_subject(self, subject: Subject) -> str:
        """Store a document and the fact that probes ask for; its id, which cannot be guessed."""

    def subject(self, name: str) -> Subject | None:
        """The stored subject, or None for an id that is unknown or expired, and for one that is damaged."""

    def devices(self) -> list[str]:
        """Devices that jobs can use; ["cpu"] until the engine knows better."""
