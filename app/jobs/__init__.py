"""Where runs execute: outside the page, behind four calls that any engine can offer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

LIVE = ("queued", "loading", "running")


@dataclass(frozen=True)
class Job:
    """What to run: one text through one checkpoint on one device ("cpu" or "cuda")."""

    checkpoint: str
    text: str
    title: str
    device: str = "cpu"


@dataclass(frozen=True)
class Progress:
    """Where a run is.

    state: "queued", "loading", "running", "done", "failed" or "cancelled". done, total: tokens. ahead: runs that
    wait before it. seconds_left: estimate while running. message: why it failed, in plain words.
    """

    state: str
    checkpoint: str
    title: str
    done: int = 0
    total: int = 0
    ahead: int = 0
    seconds_left: float | None = None
    message: str = ""

    @property
    def live(self) -> bool:
        return self.state in LIVE


class Engine(Protocol):
    """A place where runs execute: a worker process on this machine, or a cluster."""

    def submit(self, job: Job) -> str:
        """Queue a run; the id cannot be guessed."""

    def progress(self, run: str) -> Progress | None:
        """Where the run is, or None for an id that is unknown or expired."""

    def cancel(self, run: str) -> None:
        """Stop a run at its next chunk. Does nothing to one that has ended."""

    def result(self, run: str) -> Path | None:
        """The trace store of a finished run, else None."""

    def devices(self) -> list[str]:
        """Devices that runs can use; ["cpu"] until the engine knows better."""
