"""What the page does when a run that it waits for ends."""

from __future__ import annotations

from dataclasses import replace

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from app import opening, runs
from app.jobs import Progress
from app.views import going


@pytest.mark.parametrize(
    ("first", "second", "announced"),
    [("done", "running", ["a"]), ("running", "done", ["b"]), ("cancelled", "failed", []), ("running", "running", [])],
)
def test_a_page_that_stands_open_draws_the_text_of_a_result_first(
    first: str, second: str, announced: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    where = {"a": Progress(first, "mac", "A text"), "b": Progress(second, "mag", "A text")}
    told: list[str] = []
    monkeypatch.setattr(runs, "progress", where.get)
    monkeypatch.setattr(opening, "announce", told.append)
    monkeypatch.setattr("streamlit.rerun", st.stop)  # it would draw the same for ever

    def page() -> None:
        from app.views.going import _progress

        _progress(("a", "b"), 2, 0.3)

    AppTest.from_function(page).run()
    assert told == announced


def test_who_waits_for_long_asks_less_often() -> None:
    waits = Progress("queued", "mac", "A text", ahead=4, seconds_left=60.0)
    assert going._pace([waits]) == going.LONG
    for other in ({"seconds_left": 2.0}, {"seconds_left": None}, {"ahead": 0}, {"state": "running"}):
        assert going._pace([waits, replace(waits, **other)]) == going.SOON


def test_the_pace_is_chosen_anew_when_a_run_is_about_to_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "progress", lambda _: Progress("running", "mac", "A text"))
    again: list[bool] = []
    monkeypatch.setattr("streamlit.rerun", lambda: (again.append(True), st.stop()))

    def page(every: float) -> None:
        from app.views.going import _progress

        _progress(("a",), 1, every)

    AppTest.from_function(page, args=(going.SOON,)).run()
    assert not again
    AppTest.from_function(page, args=(going.LONG,)).run()
    assert again
