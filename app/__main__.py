"""`python -m app`: serve the dashboard with the settings of streamlit_config.toml.

`python -m app RUN.zarr` opens runs of `titans trace` in it.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import logging
import os
import secrets
import tomllib
import urllib.error
import urllib.request
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import streamlit as st
from starlette.middleware import Middleware
from streamlit import config as streamlit_config

from app import runs
from app.jobs import imports
from app.routes import ROUTES, Ahead
from titans_core.errors import StoreError

HOME = Path(__file__).absolute().parent
log = logging.getLogger("titanscope.page")

CONFIG = HOME.parent / "streamlit_config.toml"


def settings(path: Path = CONFIG) -> dict[str, Any]:
    """Streamlit's options as dotted names; variables of the environment (STREAMLIT_...) win over the file."""
    values = _flat(tomllib.loads(path.read_text(encoding="utf-8")))
    for name, option in streamlit_config.get_config_options().items():
        if option.env_var in os.environ and not option.sensitive:
            values[name] = _value(os.environ[option.env_var])
    return values


def _flat(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            result |= _flat(value, f"{prefix}{key}.")
        else:
            result[prefix + key] = value
    return result


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


@contextlib.asynccontextmanager
async def _lifespan(_: st.App) -> AsyncGenerator[None]:
    """Start the worker while the browser still opens: it needs a few seconds to import torch."""
    runs.warm_up()
    gc.collect()
    gc.freeze()  # Streamlit collects after every rerun, and what is loaded by now never is garbage
    yield
    runs.shut_down()


def _unexpected(error: Exception) -> bool:
    """Tell the person an id and the log the rest."""
    code = secrets.token_hex(4)
    log.error("page failed, error %s", code, exc_info=error)
    st.error(f"This part of the page could not be drawn. The server log has the details under error {code}.")
    return True


app = st.App(
    HOME / "main.py", routes=ROUTES, middleware=[Middleware(Ahead)], lifespan=_lifespan, on_script_error=_unexpected
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m app", description="Serve the Titanscope dashboard.")
    parser.add_argument("--port", type=int, help="port to listen on (default: the one in streamlit_config.toml)")
    parser.add_argument(
        "runs",
        nargs="*",
        type=Path,
        metavar="RUN",
        help="a run to open: RUN.zarr as `titans trace` writes it, a folder of such, or a .zip of one",
    )
    asked = parser.parse_args()
    chosen = settings() | ({"server.port": asked.port} if asked.port else {})
    try:
        opened = [imports.add(store) for path in asked.runs for store in imports.stores(path)]
    except StoreError as error:
        parser.error(str(error))
    address = f"http://{chosen['server.address']}:{chosen['server.port']}"
    page = f"{address}/?{urlencode([('run', run) for run in opened])}" if opened else address
    print(f"Titanscope: {page}", flush=True)
    if opened and _serves(address, opened[0]):
        print("A Titanscope that serves this run is up already: open the address.", flush=True)
        return
    # Streamlit reads its configuration twice here and warns that the second reading differs from the first.
    logging.getLogger("streamlit.config").addFilter(lambda record: "config option section" not in record.msg)
    app.run(config=chosen)


def _serves(address: str, run: str) -> bool:
    """Whether a server of this app, with the same folder of runs, answers there."""
    try:
        with urllib.request.urlopen(f"{address}/titanscope/text?run={run}", timeout=5) as reply:  # noqa: S310
            return bool(reply.status == 200 and reply.headers.get_content_type() == "application/octet-stream")
    except (urllib.error.URLError, OSError, ValueError):
        return False


if __name__ == "__main__":
    main()
