"""Figures that were drawn once are sent again, to everybody who looks at the same."""

from __future__ import annotations

import json

import pytest
from streamlit.testing.v1 import AppTest

from app import drawn
from app.figures import memory, token
from app.figures.plot import Plot, scatter
from tests.app.test_explore import open_page


def _page(figure: object) -> None:
    import streamlit as st

    st.plotly_chart(figure)


def test_a_kept_figure_is_sent_as_it_was_made() -> None:
    figure = Plot(scatter(x=[1, 2], y=[0.5, float("nan")], customdata=[["a"], ["<b>"]])).update_layout(height=321)
    figure.frames = [{"name": "0", "data": [{"type": "scatter"}]}]
    kept = drawn.chart(("as it was", 1), lambda: (figure, "words"))
    assert kept.alt == "words"
    chart = AppTest.from_function(_page, args=(kept.figure,)).run()
    (sent,) = chart.get("plotly_chart")
    assert json.loads(sent.proto.spec) == json.loads(figure.to_json())
    assert kept.figure.layout.height == 321, "Streamlit makes a figure 450 pixels high that does not say it"


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
