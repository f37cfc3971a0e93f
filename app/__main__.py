"""`python -m app`: serve the dashboard with the settings of streamlit_config.toml."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import secrets
import tomllib
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit import config as streamlit_config

from app import runs
from app.routes import ROUTES

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
    yield
    runs.shut_down()


def _unexpected(error: Exception) -> bool:
    """Tell the person an id and the log the rest."""
    code = secrets.token_hex(4)
    log.error("page failed, error %s", code, exc_info=error)
    st.error(f"This part of the page could not be drawn. The server log has the details under error {code}.")
    return True


app = st.App(HOME / "main.py", routes=ROUTES, lifespan=_lifespan, on_script_error=_unexpected)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m app", description="Serve the Titanscope dashboard.")
    parser.add_argument("--port", type=int, help="port to listen on (default: the one in streamlit_config.toml)")
    asked = parser.parse_args().port
    chosen = settings() | ({"server.port": asked} if asked else {})
    # Streamlit reads its configuration twice here and warns that the second reading differs from the first.
    logging.getLogger("streamlit.config").addFilter(lambda record: "config option section" not in record.msg)
    print(f"Titanscope: http://{chosen['server.address']}:{chosen['server.port']}", flush=True)
    app.run(config=chosen)


if __name__ == "__main__":
    main()
