"""Readiness, logs and what the middleware does, each by itself."""

from __future__ import annotations

import json
import logging
import sys
import threading

import pytest
from starlette.requests import Request
from streamlit.testing.v1 import AppTest

from app import logs
from app.jobs import memory
from app.runs import server
from app.serving import ready, sign_in, tidying
from app.serving.settings import settings

REQUEST = Request({"type": "http", "method": "GET", "headers": [], "query_string": b""})


@pytest.mark.parametrize(
    ("worker", "free", "status"), [(True, 10**12, 200), (False, 10**12, 503), (True, 1000, 503), (True, None, 503)]
)
def test_it_is_ready_where_a_run_could_end_well(
    worker: bool, free: int | None, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def usage(_: object) -> object:
        if free is None:
            raise OSError("gone")
        return type("Usage", (), {"free": free})

    monkeypatch.setattr(server, "worker_alive", lambda: worker)
    monkeypatch.setattr(ready.shutil, "disk_usage", usage)
    reply = ready.ready(REQUEST)
    assert reply.status_code == status
    assert json.loads(reply.body) == {"worker": worker, "disk": bool(free and free > 10**9)}


def line(message: str, *given: object, level: int = logging.INFO, error: BaseException | None = None) -> dict[str, str]:
    exc_info = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord("titanscope.x", level, "/srv/x.py", 1, message, given, exc_info)
    text = logs.JsonLines().format(record)
    assert text.isascii()
    assert text.isprintable()
    found: dict[str, str] = json.loads(text)
    return found


@pytest.mark.parametrize(
    "text", ["a\n2026-01-01 ERROR b", "\x1b[31mred\x07", "\x7f\x9b31m", "\u2028\u202e", "\ud800", "\0"]
)
def test_no_sign_leaves_its_line(text: str) -> None:
    assert line("said %s", text)["message"] == f"said {text}"


def test_a_run_is_named_by_a_part_of_its_id() -> None:
    run = "0123456789abcdef" * 2
    found = line("run %s failed", run)
    assert (found["job"], found["message"]) == ("01234567", "run 01234567 failed")
    assert "job" not in line("nothing of a run")


def test_what_an_exception_says_is_written_only_when_asked_or_when_it_ends_the_process() -> None:
    try:
        raise ValueError("a person's words") from OSError("/home/ann")
    except ValueError as raised:
        error = raised
    found = line("failed", level=logging.ERROR, error=error)
    assert (found["error"], found["cause"]) == ("ValueError", "OSError")
    assert "words" not in json.dumps(found)
    assert found["trace"][0].startswith("tests/app/test_serving_parts.py:")
    assert line("ends", level=logging.CRITICAL, error=error)["said"] == "a person's words"


def test_the_level_comes_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = logging.getLogger()
    for owner, name in ((root, "handlers"), (sys, "excepthook"), (logs.threading, "excepthook")):
        monkeypatch.setattr(owner, name, list(root.handlers) if name == "handlers" else getattr(owner, name))
    before = root.level
    monkeypatch.setenv(logs.LEVEL, "info")
    try:
        logs.setup()
        assert root.level == logging.INFO
        logging.getLogger("titanscope.x").info("seen")
        logs.setup("nonsense")
        assert root.level == logging.WARNING
    finally:
        root.setLevel(before)
        logging.captureWarnings(False)
    assert json.loads(capsys.readouterr().err)["message"] == "seen"


def test_everybody_is_known_where_nobody_has_to_sign_in() -> None:
    assert not sign_in.wanted()
    assert sign_in.known({"type": "http", "headers": []})


@pytest.mark.parametrize("able", [True, False])
def test_a_page_stops_until_somebody_signs_in(able: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def page() -> None:
        import streamlit as st

        from app.serving import sign_in

        sign_in.gate()
        st.write("inside")

    monkeypatch.setattr(sign_in, "wanted", lambda: True)
    monkeypatch.setattr(sign_in, "is_authlib_installed", lambda: able)
    at = AppTest.from_function(page)
    at.secrets["auth"] = {"cookie_secret": "x" * 40}
    at.run()
    assert [button.disabled for button in at.button] == [not able]
    assert ["sign-in" in error.value for error in at.error] == [True] * (not able)
    assert "inside" not in [text.value for text in at.markdown]
    assert not at.exception


def test_memory_is_given_back_now_and_then_and_not_after_each_redraw(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings()["runner.postScriptGC"] is False
    given = threading.Semaphore(0)
    monkeypatch.setattr(memory, "give_back", given.release)
    leave = tidying.begin(every=0.01)
    assert given.acquire(timeout=10)
    assert given.acquire(timeout=10)
    leave()
    (thread,) = [one for one in threading.enumerate() if one.name == "tidying"] or [None]
    if thread:
        thread.join(10)
        assert not thread.is_alive()
