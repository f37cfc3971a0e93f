"""What the page does when a run that it waits for ends."""

from __future__ import annotations

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from app import opening, runs
from app.jobs import Progress


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

        _progress(("a", "b"), 2)

    AppTest.from_function(page).run()
    assert told == announced
