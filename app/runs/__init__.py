"""Runs: asked of the engine of this server, and finished ones, opened lazily and kept."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import xarray as xr

import titans_core as tc
from app import naming, places
from app.jobs import Busy, Engine, Job, Progress, store
from app.kept import Kept
from app.runs import server
from titans_core.documents import PLACES, Document, of_trace


def engine() -> Engine:
    """The engine of this server, shared by all its sessions."""
    return server.local()


def progress(run: str) -> Progress | None:
    return engine().progress(run)


def begin(jobs: list[Job], person: str) -> list[str]:
    """Ids of these runs, which are queued; all, or none of them. Raises Busy."""
    begun: list[str] = []
    try:
        for job in jobs:
            begun.append(engine().submit(job, person))
    except Busy:
        for run in begun:
            engine().cancel(run)
        raise
    return begun


@dataclass(frozen=True)
class Run:
    """A finished run and its trace (values are read from disk when touched)."""

    id: str
    title: str
    ds: xr.Dataset

    @property
    def checkpoint(self) -> str:
        return str(self.ds.attrs["checkpoint"])

    @property
    def name(self) -> str:
        """What the run is called: its variant, and what it did otherwise."""
        return naming.of(self.ds)

    @property
    def places(self) -> str:
        """Those of its text, as a Job takes them; "" where none are known."""
        return str(self.ds.attrs.get(PLACES, ""))

    @functools.cached_property
    def document(self) -> Document | None:
        """Its text with pages, sections and files, where it was taken out of files; else None."""
        return of_trace(self.ds.attrs)

    def stood(self, token: int) -> str:
        """Where in its document a token stood; "" where that is not known."""
        return places.place(self.document, self.ds, token)


def _from_disk(run: str) -> Run:
    at, path = engine().progress(run), engine().result(run)
    if at is None or path is None:
        raise KeyError(run)
    store.examine(run)
    return Run(run, at.title, tc.open_trace(path))


# Of an open run its text, pieces and places are in memory, about 100 bytes a token, and 200 kB whatever its length. It
# counts as 1 MB: of short runs, which open in 15 ms, no more than 200 need be kept.
_open = Kept(200_000_000, _from_disk, lambda run: 1_000_000 + 100 * run.ds.sizes["token"] + 4 * len(run.places))


def opened(run: str) -> Run | None:
    """The finished run `run`, or None where it is unknown, expired or still going.

    Raises StoreError where its trace is damaged or of another version.
    """
    if engine().result(run) is None:
        return None
    return _open(run)


def forget(run: str) -> None:
    """What is written about a run has changed: it is read again when it is opened next."""
    _open.forget(run)


def trace(run: str) -> xr.Dataset:
    """The trace of a finished run. Raises KeyError for an unknown one."""
    return _open(run).ds
