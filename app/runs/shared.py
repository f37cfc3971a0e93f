"""Runs that are begun once per server, whoever asks for them; among them the one that a newcomer sees."""

from __future__ import annotations

import threading

import titans_core as tc
from app import runs, samples
from app.jobs import Job

_FIRST = "the first sample"
_first_lock = threading.Lock()
_first: dict[str, str] = {}


def begin(key: str, job: Job, person: str = "") -> str:
    """The id of the run that is started once per server under `key`: everybody who asks for it sees the same one.

    Raises Busy.
    """
    with _first_lock:
        at = runs.engine().progress(_first[key]) if key in _first else None
        if at is None or at.broken:
            _first[key] = runs.engine().submit(job, person)
        return _first[key]


def welcome() -> str:
    """The id of the run that a newcomer sees: of the first sample, by the first memory."""
    sample, checkpoint = samples.samples()[0], tc.checkpoints()[0]
    return begin(_FIRST, Job(checkpoint, sample.text, sample.title))


def is_welcome(run: str) -> bool:
    """Whether this is the run that every newcomer sees."""
    return run == known(_FIRST)


def known(key: str) -> str | None:
    """The id under which `begin` started this last; None where it did not."""
    return _first.get(key)
