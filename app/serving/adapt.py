"""Where Streamlit's ways do not fit: handlers of logs in words, and a path that it tells every browser."""

from __future__ import annotations

import logging
from typing import Any

import streamlit.logger
import uvicorn.config
from streamlit.runtime.app_session import AppSession

_new_session = AppSession._create_new_session_message


def adapt() -> None:
    """Once, before the server starts: loggers of theirs, made by now or later, write by the handler of app.logs."""
    uvicorn.config.LOGGING_CONFIG.update(handlers={}, loggers={})
    streamlit.logger.setup_formatter = _pass_on
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] in ("streamlit", "uvicorn", "websockets", "asyncio"):
            _pass_on(logging.getLogger(name))
    # Streamlit reads its configuration twice here and warns that the second reading differs from the first.
    logging.getLogger("streamlit.config").addFilter(lambda record: "config option section" not in record.msg)
    AppSession._create_new_session_message = _without_path  # type: ignore[method-assign, assignment]


def _pass_on(logger: logging.Logger) -> None:
    logger.handlers.clear()
    logger.propagate = True


def _without_path(session: AppSession, *given: Any, **named: Any) -> Any:
    """The browser only makes a number of its place for it, and any path does."""
    message = _new_session(session, *given, **named)
    message.new_session.main_script_path = "main.py"
    return message
