"""The engine of this server, from its start to its end."""

from __future__ import annotations

import atexit
import functools
import signal
import sys

from app.jobs import cluster, library
from app.jobs.local import LocalEngine


@functools.cache
def local() -> LocalEngine:
    """The engine of this server, shared by all its sessions; started on first use."""
    engine = cluster.ClusterEngine() if cluster.address() else LocalEngine()
    library.tidy()
    atexit.register(engine.close)
    return engine


def warm_up() -> None:
    """Start the worker before anybody asks for a run."""
    local().start()


def shut_down() -> None:
    """End the workers; what was going or waiting is kept, and can be run again."""
    local().close()


def end_well() -> None:
    """Let a server that is told to end say that nothing went wrong, where its web server would end by the signal."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))


def worker_alive() -> bool:
    """Whether the worker's process is there."""
    return local().alive()


def jobs_by_state() -> dict[str, int]:
    """How many jobs wait, load and run."""
    return local().counts()
