"""A question about a document that a worker answers, of a kind in app.probing."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Protocol

from app import memories
from app.jobs.subjects import Subject
from titans_core.errors import ConfigError

Answer = dict[str, Any]  # plain values, as its kind says
DEVICES = ("cpu", "cuda")


def check_device(device: str) -> None:
    """Raises ConfigError for one that jobs cannot run on."""
    if device not in DEVICES:
        raise ConfigError(f"unknown device {str(device)[:40]!r}; choose {' or '.join(DEVICES)}")


@dataclass(frozen=True)
class Probe:
    """One kind of question about the subject `of`, put to one checkpoint.

    options: (name, value) that JSON can hold, sorted by name. Its id follows from what is asked, of which document and
    weights: found again by everybody who has the document's address, and as hard to guess.
    """

    kind: str
    of: str
    checkpoint: str
    title: str
    options: tuple[tuple[str, Any], ...] = ()
    device: str = "cpu"

    def __post_init__(self) -> None:
        check_device(self.device)

    @property
    def id(self) -> str:
        asked = [1, self.kind, self.of, self.options, self.checkpoint, memories.weights(self.checkpoint)]
        return hashlib.sha256(f"probe {json.dumps(asked)}".encode()).hexdigest()[:32]


class Tell(Protocol):
    """How a probe that is going speaks to who asked for it.

    before: what an earlier attempt at this probe had found, else None. memo: what probes of the same subject found
    before and can use again; emptied when one of another subject begins.
    """

    before: Answer | None
    memo: dict[Any, Any]

    def progress(self, done: int, total: int) -> None:
        """Tokens read, of those to be read. Raises Cancelled where the probe was cancelled."""

    def partial(self, answer: Answer) -> None:
        """Keep what was found so far, should the probe be cancelled or fail."""


class Kind(Protocol):
    """What a module of app.probing offers."""

    def refusal(self, subject: Subject, checkpoint: str, options: dict[str, Any]) -> str:
        """Why this cannot be asked, as a sentence; "" where it can. Loads no torch."""

    def tokens(self, subject_tokens: int, options: dict[str, Any]) -> int:
        """How many tokens will be read for a document of so many."""

    def run(self, model: Any, subject: Subject, options: dict[str, Any], tell: Tell) -> Answer:
        """The answer as plain values. Raises TitansError where there is none; runs in the worker."""
