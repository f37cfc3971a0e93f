"""A page that fails tells an id, and only the log knows the rest; the log holds no text of anybody."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.serving import ask, sent, served

SECRET, PLACE = "nonce-4711-of-a-person", "/srv/hidden/place"
# Pages and a route that fail with what a person wrote and a path: at once, in a callback's rerun, within a fragment.
FAILING = f"""
import logging, sys
import streamlit as st
from app import routes
from app.views import compare, explore

def fails(*_):
    logging.getLogger("titanscope.page").info("a line\\n2026-01-01 ERROR forged \\x1b[31m \\u2028 \\x7f %s", "a" * 32)
    raise ValueError("{SECRET} at {PLACE}/secret.txt")

@st.fragment
def part():
    fails()

def within(*_):
    st.write("above")
    part()

explore.page, compare.page = fails, within
routes.ROUTES[0].endpoint = fails
routes.ROUTES[0].app = __import__("starlette.routing").routing.request_response(fails)
from app.__main__ import main
main()
"""


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Address and log of a server whose pages fail; its metrics are on."""
    folder = tmp_path_factory.mktemp("failing")
    env = {"STREAMLIT_LOGGER_LEVEL": "info", "TITANSCOPE_METRICS": "true", "SECRET_OF_THIS_SERVER": SECRET}
    with served(folder, ("-c", FAILING), **env) as (address, _):
        yield address, folder / "server.log"


def lines(log: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in log.read_text().splitlines() if not line.startswith("Titanscope: ")]


@pytest.mark.parametrize("page", ["", "compare"])
def test_a_page_that_fails_tells_an_id_that_the_log_has(failing: tuple[str, Path], page: str) -> None:
    server, log = failing
    data = sent(server, page)
    for hidden in (SECRET, PLACE, "secret.txt", "Traceback", str(Path(__file__).parents[2]), "site-packages"):
        assert hidden.encode() not in data
    code = re.search(rb"details under error ([0-9a-f]{8})", data)
    assert code is not None
    (line,) = [line for line in lines(log) if code[1].decode() in str(line["message"])]
    assert (line["level"], line["error"]) == ("ERROR", "ValueError")
    assert any(" fails" in str(place) for place in line["trace"])  # type: ignore[attr-defined]


def test_a_route_that_fails_tells_an_id_that_the_log_has(failing: tuple[str, Path]) -> None:
    server, log = failing
    status, headers, body = ask(server, "/titanscope/text?run=x")
    code = re.fullmatch(rb"The server failed. Its log has the details under error ([0-9a-f]{8}).", body)
    assert status == 500
    assert code is not None
    (line,) = [line for line in lines(log) if code[1].decode() in str(line["message"])]
    assert line["request"] == headers["x-request-id"]


def test_logs_are_lines_of_json_without_what_people_wrote(failing: tuple[str, Path]) -> None:
    server, log = failing
    ask(server, f"/titanscope/{SECRET}?text={SECRET}")
    sent(server, "")
    text = log.read_text()
    assert SECRET not in text
    assert PLACE not in text
    assert not re.search(r"[^\n\x20-\x7e]", text), "nothing can move a cursor or begin a line"
    forged = [line for line in lines(log) if "forged" in str(line["message"])]
    assert forged[-1]["message"] == "a line\n2026-01-01 ERROR forged \x1b[31m \u2028 \x7f aaaaaaaa"
    assert forged[-1]["job"] == "aaaaaaaa", "enough to find a run by, too little to open it"
    assert {"time", "level", "logger", "message"} <= set(forged[-1])
    assert {"titanscope.requests", "uvicorn.error"} <= {str(line["logger"]) for line in lines(log)}


def test_metrics_are_numbers_and_say_nothing_of_anybody(failing: tuple[str, Path]) -> None:
    server, _ = failing
    sent(server, "")
    for path in ("/titanscope/metrics", "/_stcore/metrics"):
        status, headers, body = ask(server, path)
        assert status == 200
        assert headers["content-type"].startswith(("text/plain", "application/openmetrics"))
        assert not re.search(rb"nonce|/[a-z]+/[a-z]", body), "no text, no path, no variable of the environment"
    samples = [line for line in ask(server, "/titanscope/metrics")[2].decode().splitlines() if line[0] != "#"]
    assert all(re.fullmatch(r'[a-z_]+(\{[a-z]+="[a-z0-9]+"\})? [0-9.e+]+', line) for line in samples)
    values = dict(line.rsplit(" ", 1) for line in samples)
    assert values["titanscope_worker_up"] == "1"
    assert float(values["titanscope_page_errors_total"]) > 0
    assert float(values['titanscope_requests_total{status="2xx"}']) > 0
    assert 'titanscope_jobs{state="running"}' in values
