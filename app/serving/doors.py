"""The outermost middleware: every request passes here, Streamlit's own routes included."""

from __future__ import annotations

import logging
import re
import secrets
import time
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import config
from streamlit.web.server.starlette.starlette_websocket import is_host_allowed

from app import logs
from app.serving import counts, sign_in
from app.serving.policy import HEADERS

ALIVE = ("/_stcore/health", "/titanscope/ready")  # what a check within the machine or container asks for
# Streamlit's routes that are shut unless the option is on, which some of them do not look at.
SHUT = {
    "/_stcore/metrics": "titanscope.metrics",
    "/_stcore/agent": "server.enableAgentApi",
    "/_stcore/script-health-check": "server.scriptHealthCheckEnabled",
}
LOOPBACK = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?")

log = logging.getLogger("titanscope.requests")


class Doors:
    """Refuses other names of this server and what is shut; adds headers, a request id and, for a failure, its id.

    metrics: whether /_stcore/metrics is open.
    """

    def __init__(self, app: ASGIApp, metrics: bool = False) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # Streamlit looks at names and origins of a websocket itself
            await self._app(scope, receive, send)
            return
        request, started, status = secrets.token_hex(8), time.monotonic(), 0
        token = logs.request_id.set(request)

        async def told(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers["x-request-id"] = request
            await send(message)

        try:
            await self._pass(scope, receive, told)
        except Exception as error:
            code = secrets.token_hex(4)
            log.exception("request failed, error %s", code, exc_info=error)
            if status:  # a part of the reply is out: all that is left is to cut it
                raise
            reply = f"The server failed. Its log has the details under error {code}."
            await PlainTextResponse(reply, HTTPStatus.INTERNAL_SERVER_ERROR)(scope, receive, told)
        finally:
            counts.answered(status)
            seconds = time.monotonic() - started
            log.info("%s %s %d in %.3f s", scope["method"], _asked(scope), status, seconds)
            logs.request_id.reset(token)

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, host = scope["path"], Headers(scope=scope).get("host")
        if not is_host_allowed(host) and not (path in ALIVE and LOOPBACK.fullmatch(host or "")):
            said = "This server does not go by that name; server.allowedHosts lists those it has.", HTTPStatus.FORBIDDEN
        elif self._shut(path):
            said = "Not found", HTTPStatus.NOT_FOUND
        elif path.startswith("/titanscope/") and path not in ALIVE and not sign_in.known(scope):
            said = "Sign in first", HTTPStatus.UNAUTHORIZED
        else:
            await self._app(scope, receive, send)
            return
        await PlainTextResponse(*said)(scope, receive, send)

    def _shut(self, path: str) -> bool:
        for prefix, option in SHUT.items():
            if path.startswith(prefix):
                return not (self._metrics if option == "titanscope.metrics" else config.get_option(option))
        return False


def _asked(scope: Scope) -> str:
    """What answers, for the log. The path may hold anything, the query names runs and what was searched for."""
    endpoint = scope.get("endpoint")
    return "nothing" if endpoint is None else getattr(endpoint, "__name__", type(endpoint).__name__)


def _nothing(_: Request) -> PlainTextResponse:
    return PlainTextResponse("Not found", HTTPStatus.NOT_FOUND)


NOTHING_ELSE = Route("/titanscope/{path:path}", _nothing)  # after the others; Streamlit would send its page
