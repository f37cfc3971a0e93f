"""Streamlit and uvicorn set up handlers of their own, in words; here they write by the one of app.logs."""

from __future__ import annotations

import logging

import streamlit.logger
import uvicorn.config


def adopt() -> None:
    """Before the server starts, and for every logger of theirs that is made later."""
    uvicorn.config.LOGGING_CONFIG.update(handlers={}, loggers={})
    streamlit.logger.setup_formatter = _pass_on
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] in ("streamlit", "uvicorn", "websockets", "asyncio"):
            _pass_on(logging.getLogger(name))
    # Streamlit reads its configuration twice here and warns that the second reading differs from the first.
    logging.getLogger("streamlit.config").addFilter(lambda record: "config option section" not in record.msg)


def _pass_on(logger: logging.Logger) -> None:
    logger.handlers.clear()
    logger.propagate = True
