"""Logs as JSON lines, without what people wrote: one object a line, on stderr, of both the server and its workers.

{"time", "level", "logger", "message"} and, where there is one: "request" (an id, also in the reply's X-Request-Id),
"job" (the first 8 characters of a run's id: enough to find it by, too few to open it), "error" (the class of an
exception) and "trace" (where it was raised). What an exception says may hold a person's text or a path, so it is
written at level DEBUG only, as "said"; but it is where it ends the process.
"""

from __future__ import annotations

import contextvars
import json
import logging
import os
import re
import sys
import threading
import traceback
from datetime import UTC, datetime
from types import TracebackType

LEVEL = "STREAMLIT_LOGGER_LEVEL"  # the variable by which the server tells its workers
FRAMES = 12  # the innermost places of an exception
request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="")
_RUN = re.compile(r"\b([0-9a-f]{8})[0-9a-f]{24}\b")


class JsonLines(logging.Formatter):
    """A record as one line of JSON in ASCII, so that no character of a message can end a line or move a cursor."""

    def format(self, record: logging.LogRecord) -> str:
        message = record.getMessage()
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": _RUN.sub(r"\1", message),
        }
        if found := _RUN.search(message):
            line["job"] = found[1]
        if request := request_id.get():
            line["request"] = request
        if record.exc_info and record.exc_info[1] is not None:
            line |= _raised(record.exc_info[1], record.levelno)
        return json.dumps(line).replace("\x7f", "\\u007f")


def _raised(error: BaseException, level: int) -> dict[str, object]:
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES:]
    known: dict[str, object] = {
        "error": type(error).__name__,
        "trace": [f"{_short(frame.filename)}:{frame.lineno} {frame.name}" for frame in frames],
    }
    if error.__cause__ is not None:
        known["cause"] = type(error.__cause__).__name__
    tell = level == logging.CRITICAL or logging.getLogger().isEnabledFor(logging.DEBUG)
    return known | ({"said": str(error)} if tell else {})


def _short(path: str) -> str:
    """The end of a path: where this machine keeps its files is nobody's business."""
    return "/".join(path.replace("\\", "/").split("/")[-3:])


def setup(level: str = "") -> None:
    """Write the records of this process to stderr. level: a name; else the variable LEVEL, else WARNING."""
    chosen = (level or os.environ.get(LEVEL, "") or "WARNING").upper()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(chosen if chosen in logging.getLevelNamesMapping() else "WARNING")
    os.environ[LEVEL] = chosen.lower()
    logging.captureWarnings(True)
    sys.excepthook = _ended
    threading.excepthook = _thread_ended


def _ended(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        logging.getLogger("titanscope").critical("the process ends", exc_info=(kind, error, trace))


def _thread_ended(raised: threading.ExceptHookArgs) -> None:
    if raised.exc_value is not None:
        logging.getLogger("titanscope").error("a thread ended", exc_info=raised.exc_value)
