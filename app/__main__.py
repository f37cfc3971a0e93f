"""`python -m app`: serve the dashboard with the settings of streamlit_config.toml.

`python -m app RUN.zarr` opens runs of `titans trace` in it, `python -m app FOLDER` offers a checkpoint of one's own.
`python -m app figures RUN` serves nothing and draws what a headless run wrote.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import gc
import logging
import os
import secrets
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import streamlit as st
from starlette.middleware import Middleware

from app import figures_command, logs, memories, person
from app.jobs import cluster, imports, memory
from app.routes import ROUTES
from app.runs import server
from app.serving import adapt, counts, ready, tidying, uploads
from app.serving.ahead import Ahead
from app.serving.doors import NOTHING_ELSE, Doors
from app.serving.settings import settings, streamlits
from titans_core.errors import StoreError, TitansError
from titans_core.recognise import holds_runs, refusal

HOME = Path(__file__).absolute().parent
log = logging.getLogger("titanscope.page")


@contextlib.asynccontextmanager
async def _lifespan(_: st.App) -> AsyncGenerator[None]:
    """Start the worker while the browser still opens: it needs a few seconds to import torch."""
    server.warm_up()
    gc.collect()
    gc.freeze()  # what is loaded by now never is garbage
    leave = tidying.begin()
    yield
    leave()
    server.shut_down()


def _unexpected(error: Exception) -> bool:
    """Tell the person an id and the log the rest."""
    code = secrets.token_hex(4)
    counts.failed()
    log.error("page failed, error %s", code, exc_info=error)
    st.error(f"This part of the page could not be drawn. The server log has the details under error {code}.")
    return True


def _app(chosen: dict[str, Any]) -> st.App:
    metrics = bool(chosen["titanscope.metrics"])
    return st.App(
        HOME / "main.py",
        routes=[*ROUTES, ready.ROUTE, *([counts.ROUTE] if metrics else []), NOTHING_ELSE],
        middleware=[Middleware(Doors, metrics=metrics), Middleware(person.Cookie), Middleware(Ahead)],
        lifespan=_lifespan,
        on_script_error=_unexpected,
    )


def main() -> None:
    if sys.argv[1:2] == ["figures"]:  # a run of that name is opened as ./figures
        figures_command.main(sys.argv[2:])
    else:
        _serve()


def _serve() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m app",
        description="Serve the Titanscope dashboard.",
        epilog="python -m app figures RUN draws what a headless run wrote, and serves nothing",
    )
    parser.add_argument("--port", type=_port, help="port to listen on (default: the one in streamlit_config.toml)")
    parser.add_argument(
        "runs",
        nargs="*",
        type=Path,
        metavar="PATH",
        help="a run to open: RUN.zarr as `titans trace` writes it, a folder of such, or a .zip of one; it is copied to "
        "the stored runs. Or the folder of a checkpoint as `titans train` writes it: its memory can then be chosen",
    )
    asked = parser.parse_args()
    # Streamlit's own welcome gives the address without the runs to open.
    chosen = {"logger.hideWelcomeMessage": True} | settings() | ({"server.port": asked.port} if asked.port else {})
    try:
        cluster.address()  # said now, where it cannot be meant
        for path in filter(memories.is_checkpoint, asked.runs):
            memories.offer(path)
        given = [path for path in asked.runs if not memories.is_checkpoint(path)]
        opened = [imports.add(store) for path in given for store in _stores(path)]
    except TitansError as error:
        parser.error(str(error))
    address = f"http://{chosen['server.address']}:{chosen['server.port']}"
    page = f"{address}/?{urlencode([('run', run) for run in opened])}" if opened else address
    if opened and _serves(address, opened[0]):
        print(f"Titanscope: {page}\nA Titanscope that serves this run is up already: open the address.", flush=True)
        return
    taken = _taken(str(chosen["server.address"]), int(chosen["server.port"]))
    if taken:
        parser.exit(1, f"{parser.prog}: {taken}\n")
    print(f"Titanscope: {page}", flush=True)
    logs.setup(str(chosen["logger.level"]))
    adapt.adapt()
    uploads.bound()
    memory.in_few_heaps()
    server.end_well()
    _app(chosen).run(config=streamlits(chosen))


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65_536:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; give a whole number from 1 to 65535")
    return int(text)


def _stores(path: Path) -> list[Path]:
    """The stores that `path` means. Raises StoreError that says what else it is, and what would work."""
    if not holds_runs(path):
        raise StoreError(refusal(path))
    return imports.stores(path)


def _taken(address: str, port: int) -> str:
    """Why nothing can be served there, or "": tried as Streamlit will do it."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as tried:
        if os.name != "nt":
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((address, port))
        except (OSError, OverflowError) as error:
            if getattr(error, "errno", None) == errno.EADDRINUSE:
                return f"port {port} is taken, perhaps by a Titanscope that runs already; choose another with --port"
            return f"nothing can be served at {address}:{port}: {error}"
    return ""


def _serves(address: str, run: str) -> bool:
    """Whether a server of this app, with the same folder of runs, answers there."""
    try:
        with urllib.request.urlopen(f"{address}/titanscope/text?run={run}", timeout=5) as reply:  # noqa: S310
            return bool(reply.status == 200 and reply.headers.get_content_type() == "application/octet-stream")
    except (urllib.error.URLError, OSError, ValueError):
        return False


if __name__ == "__main__":
    main()
