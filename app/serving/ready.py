"""titanscope/ready: whether a run begun now could end well. /_stcore/health only says that the server answers."""

from __future__ import annotations

import shutil

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from app.jobs import store
from app.runs import server

LEAST_FREE = 500_000_000  # bytes: a trace of some 2 million tokens


def ready(_: Request) -> JSONResponse:
    """200 where the worker's process is there and the disk has LEAST_FREE bytes, else 503; both are said."""
    try:
        disk = shutil.disk_usage(store.root()).free >= LEAST_FREE
    except OSError:
        disk = False
    said = {"worker": server.worker_alive(), "disk": disk}
    return JSONResponse(said, 200 if all(said.values()) else 503, {"Cache-Control": "no-store"})


ROUTE = Route("/titanscope/ready", ready)
