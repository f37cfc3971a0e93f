"""The engine that hands jobs to a Ray cluster: TITANSCOPE_CLUSTER=HOST:PORT turns it on.

Lines, ledger and what people are told are those of one machine; the worker process is another one, app.jobs.driver, and
a result lies where every dashboard finds it (app.jobs.share). This process never holds Ray.
"""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

from app.jobs import Progress, Subject, share, shelf
from app.jobs.local import LocalEngine
from titans_core.errors import ConfigError, StoreError

CLUSTER = "TITANSCOPE_CLUSTER"  # the address of the cluster's head, HOST:PORT
SHARED = "TITANSCOPE_SHARED"  # the URL of the results that all dashboards share
AGAIN = 5.0  # seconds until an entry that was not shared is looked for once more

log = logging.getLogger("titanscope.jobs")


def address() -> tuple[str, int] | None:
    """Host and port of the cluster's head; None where jobs run on this machine. Raises ConfigError for another form."""
    told = os.environ.get(CLUSTER, "")
    host, _, port = told.rpartition(":")
    if told and not (host and "/" not in host and port.isascii() and port.isdigit() and 0 < int(port) < 65_536):
        raise ConfigError(f"{CLUSTER}={told!r} is no address; give HOST:PORT as `ray start --head` says it")
    return (host, int(port)) if told else None


def shared() -> str:
    """The URL of the shared results: $TITANSCOPE_SHARED, else a folder beside this server's own."""
    return os.environ.get(SHARED) or f"file://{shelf.root().resolve() / 'shared'}"


class ClusterEngine(LocalEngine):
    """See app.jobs.Engine. What is not stored here is looked for among the shared results."""

    WORKER = "app.jobs.driver"

    def __init__(self) -> None:
        super().__init__()
        self._missing: dict[str, float] = {}  # id -> when it was looked for in vain

    def progress(self, run: str) -> Progress | None:
        at = super().progress(run)
        if (at is None or at.state == "interrupted") and self._fetch(run):
            return super().progress(run)
        return at

    def result(self, run: str) -> Path | None:
        return super().result(run) or (super().result(run) if self._fetch(run) else None)

    def subject(self, name: str) -> Subject | None:
        return super().subject(name) or (super().subject(name) if self._fetch(name) else None)

    def keep(self, data: bytes, name: str) -> str:
        run = super().keep(data, name)
        share.push(shared(), run)
        return run

    def keep_subject(self, subject: Subject) -> str:
        name = super().keep_subject(subject)
        share.push(shared(), name)
        return name

    def _fetch(self, name: str) -> bool:
        """Whether it was among the shared results, and is stored here now."""
        now = time.monotonic()
        self._missing = {one: since for one, since in self._missing.items() if now - since < AGAIN}
        if name in self._missing:
            return False
        try:
            found = share.pull(shared(), name)
        except StoreError as error:
            log.warning("%s", error)
            found = False
        if not found:
            self._missing[name] = time.monotonic()
        return found
