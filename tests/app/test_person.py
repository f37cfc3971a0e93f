"""The key of a browser: in a cookie that comes with a page, and nowhere else."""

from __future__ import annotations

import asyncio
from typing import Any

from app import person
from app.jobs import store as files


def asked(headers: dict[str, str], path: str = "/", scheme: str = "http") -> dict[str, str]:
    """What the middleware adds to a reply."""
    sent: list[Any] = []

    async def page(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: Any) -> None:
        sent.append(message)

    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "GET", "path": path, "scheme": scheme, "headers": raw}
    asyncio.run(person.Cookie(page)(scope, None, send))  # type: ignore[arg-type]
    return {name.decode(): value.decode() for name, value in sent[0]["headers"]}


def test_a_browser_has_one_key_that_scripts_and_other_sites_cannot_use() -> None:
    line = asked({"accept": "text/html,*/*"})["set-cookie"]
    key = line.partition("=")[2].partition(";")[0]
    assert files.is_id(key)
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(line.split("; "))
    assert "Secure" not in line
    again = asked({"accept": "text/html", "cookie": f"{person.COOKIE}={key}"}, scheme="https")["set-cookie"]
    assert again.startswith(f"{person.COOKIE}={key};")
    assert again.endswith("; Secure")
    assert key not in asked({"accept": "text/html"})["set-cookie"]
    for bad in ("", "../../etc", "x" * 32, "A" * 32):
        assert files.is_id(asked({"accept": "text/html", "cookie": f"{person.COOKIE}={bad}"})["set-cookie"][19:51])
    assert asked({"accept": "*/*"}, "/titanscope/text") == {}
