"""With the page goes word of what it will fetch, and its figures wait until the text is drawn."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from starlette.requests import Request

from app import opening, routes
from app.runs import shared
from app.serving.ahead import Ahead


def headers(query: str, path: str = "/") -> dict[bytes, bytes]:
    """The headers that a page of this address is sent with; with them its status, as b"status"."""
    sent: list[Any] = []

    async def page(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "query_string": query.encode(), "headers": []}
    with ThreadPoolExecutor(1) as other:  # tests in a browser leave a loop running in this thread
        other.submit(asyncio.run, Ahead(page)(scope, None, send)).result()  # type: ignore[arg-type]
    return {**dict(sent[0]["headers"]), b"status": str(sent[0]["status"]).encode()}


def links(query: str, path: str = "/") -> str:
    """The Link header that a page of this address is sent with."""
    return headers(query, path).get(b"link", b"").decode()


def drawn(run: str, part: str) -> None:
    scope = {"type": "http", "method": "GET", "headers": [], "query_string": f"run={run}&part={part}".encode()}
    assert routes.drawn(Request(scope)).status_code == 204


@pytest.fixture
def run(finished: dict[str, str]) -> str:
    return finished["mac"]


def test_the_page_of_a_run_names_what_its_first_parts_draw(run: str) -> None:
    told = links(f"run={run}&signal=momentum")
    assert f"<titanscope/text?run={run}>; rel=preload" in told
    assert f"<titanscope/values?run={run}&signal=momentum>; rel=preload" in told
    assert f"<titanscope/figure?kind=timelines&run={run}>; rel=preload" in told
    for part in opening.FIRST:
        drawn(run, part)
    opening.after_first(run)


@pytest.mark.parametrize("chosen", ["layer=9", "span=5-99999"])
def test_what_a_link_chooses_may_not_be_there_and_is_not_named(chosen: str, run: str) -> None:
    told = links(f"run={run}&{chosen}")
    assert "titanscope/text" in told
    assert "titanscope/figure" not in told
    assert ("titanscope/values" in told) == chosen.startswith("span")
    opening._awaited.clear()


@pytest.mark.parametrize("query", ["run=" + "0" * 32, "run=../../etc"])
def test_an_address_without_a_finished_run_names_nothing(query: str) -> None:
    assert links(query) == ""


@pytest.mark.parametrize("query", ["", "signal=momentum&embed=true"])
def test_a_newcomer_is_led_to_the_first_run_without_another_entry_in_the_history(query: str) -> None:
    sent = headers(query)
    assert sent[b"status"] == b"307"
    rest = f"&{query}" if query else ""
    assert sent[b"location"].decode() == f"?run={shared.welcome()}{rest}", "relative, so behind a prefix as well"


@pytest.mark.parametrize(("query", "path"), [("", "/compare"), ("run=x", "/"), ("", "/titanscope/text")])
def test_nobody_else_is_led_there(query: str, path: str) -> None:
    assert headers(query, path)[b"status"] == b"200"


def test_other_paths_name_nothing(run: str) -> None:
    assert links(f"run={run}", "/titanscope/text") == ""


def test_the_rest_waits_for_the_first_parts_but_only_where_a_browser_was_announced(run: str) -> None:
    began = time.monotonic()
    opening.after_first(run)
    assert time.monotonic() - began < 0.2, "nobody was announced"
    links(f"run={run}")
    for delay, part in zip((0.1, 0.4), opening.FIRST, strict=True):
        threading.Timer(delay, drawn, [run, part]).start()
    opening.after_first(run)
    assert 0.35 < time.monotonic() - began < opening.PATIENCE


def test_a_browser_that_never_draws_does_not_hold_the_rest_for_ever(run: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "PATIENCE", 0.2)
    links(f"run={run}")
    began = time.monotonic()
    opening.after_first(run)
    opening.after_first(run)
    assert 0.15 < time.monotonic() - began < 0.35, "it waits once"


def test_what_nobody_waits_for_is_not_noted(run: str) -> None:
    drawn(run, "text")
    drawn("0" * 32, "text")
    drawn(run, "else")
    assert opening._awaited == {}
