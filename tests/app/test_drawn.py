"""Figures that were drawn once are sent again, to everybody who looks at the same."""

from __future__ import annotations

import json

import plotly.graph_objects as go
import plotly.io
import pytest
import streamlit as st

from app import drawn
from app.figures import memory, token
from tests.app.test_explore import open_page


def test_a_kept_figure_is_sent_as_it_was_made() -> None:
    figure = go.Figure(go.Scatter(x=[1, 2], y=[0.5, float("nan")], customdata=[["a"], ["<b>"]]))
    figure.frames = [{"name": "0", "data": [{"type": "scatter"}]}]
    kept = drawn.chart(("as it was", 1), lambda: (figure, "words"))
    assert kept.alt == "words"
    assert json.loads(plotly.io.to_json(kept.figure.to_dict(), validate=False)) == json.loads(plotly.io.to_json(figure))
    assert kept.bytes > 100
    st.plotly_chart(kept.figure)  # it takes it for a figure


def test_each_figure_is_made_once_for_all_sessions_and_again_for_another_token(
    finished: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def counted(module: object, name: str) -> None:
        was = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *given: (made.append(name), was(*given))[1])

    counted(memory, "over_time")
    counted(token, "moves")
    counted(token, "values")
    first, second = open_page([finished["mag"]]), open_page([finished["mag"]])
    first.run()
    sent = [[element.proto.spec for element in page.get("plotly_chart")] for page in (first, second)]
    assert len(sent[0]) >= 4
    assert sent[0] == sent[1]
    assert all(made.count(name) <= 1 for name in set(made)), made  # another test may have drawn them before
    made.clear()
    first.session_state["token"] = 9
    first.run()
    assert made == ["values", "moves"]
    assert not first.exception
