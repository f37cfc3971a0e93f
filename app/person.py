"""Who uses the page: a person who signed in, else a browser, by a key that nobody can guess.

The key is in a cookie that scripts cannot read and that other sites' requests do not carry. It is asked for no name,
and leads to nothing but the list of runs that this browser made or opened (app.jobs.library).
"""

from __future__ import annotations

import re
import secrets
from http.cookies import SimpleCookie

import streamlit as st
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "titanscope_library"
LASTS = 365 * 24 * 3600  # seconds since the last visit

_KEY = re.compile(r"[0-9a-f]{32}")


def key() -> str:
    """The key of who uses this session; where a browser keeps no cookies, one that ends with the session."""
    signed_in = st.user.to_dict()
    if signed_in.get("is_logged_in") and signed_in.get("sub"):
        return f"signed in as {signed_in['sub']} by {signed_in.get('iss', '')}"
    given = st.context.cookies.get(COOKIE)
    if isinstance(given, str) and _KEY.fullmatch(given):
        return given
    own: str = st.session_state.setdefault("own key", secrets.token_hex(16))
    return own


class Cookie:
    """Middleware: with each page goes the cookie that the browser has already, or a new one."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or not _is_page(scope):
            await self.app(scope, receive, send)
            return
        given = HTTPConnection(scope).cookies.get(COOKIE, "")
        line = _cookie(given if _KEY.fullmatch(given) else secrets.token_hex(16), secure=scope["scheme"] == "https")

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).append("Set-Cookie", line)
            await send(message)

        await self.app(scope, receive, told)


def _is_page(scope: Scope) -> bool:
    """Whether the browser asks for a document to show."""
    return "text/html" in HTTPConnection(scope).headers.get("accept", "")


def _cookie(value: str, *, secure: bool) -> str:
    cookie = SimpleCookie({COOKIE: value})
    # Lax: a link from elsewhere brings it along; if it did not, the page would give a new one and lose the list.
    cookie[COOKIE].update({"path": "/", "max-age": str(LASTS), "samesite": "Lax"})
    return cookie.output(header="").strip() + "; HttpOnly" + "; Secure" * secure
