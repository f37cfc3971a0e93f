"""Where Streamlit's ways do not fit: handlers of logs in words, a path that it tells every browser, and what it keeps.

A figure that can be clicked is another widget to it whenever it shows something else, and of each that there ever was
it keeps what to call: more than 1 kB, for as long as the session lasts.
"""

from __future__ import annotations

import logging
from typing import Any

import streamlit.logger
import uvicorn.config
from streamlit.runtime.app_session import AppSession
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.state.session_state import SessionState, _is_stale_widget

_new_session = AppSession._create_new_session_message
_remove_stale = SessionState._remove_stale_widgets


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
    SessionState._remove_stale_widgets = remove_stale  # type: ignore[method-assign, assignment]


def _pass_on(logger: logging.Logger) -> None:
    logger.handlers.clear()
    logger.propagate = True


def _without_path(session: AppSession, *given: Any, **named: Any) -> Any:
    """The browser only makes a number of its place for it, and any path does."""
    message = _new_session(session, *given, **named)
    message.new_session.main_script_path = "main.py"
    return message


def remove_stale(state: SessionState, active: frozenset[str]) -> None:
    """Streamlit's own, which forgets the values of widgets that are not drawn any more; and what it knows of them."""
    _remove_stale(state, active)
    drawn, known = get_script_run_ctx(), state._new_widget_state.widget_metadata
    if drawn is not None:
        parts = drawn.fragment_ids_this_run
        state._new_widget_state.widget_metadata = {
            name: told for name, told in known.items() if not _is_stale_widget(told, active, parts)
        }
