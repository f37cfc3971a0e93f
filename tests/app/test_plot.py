"""Figures as plain dicts: the same as plotly's own classes make, and checked by them."""

from __future__ import annotations

import json

import numpy as np
import plotly.graph_objects as go
import pytest
from plotly.subplots import make_subplots

from app.figures import frame
from app.figures.plot import Plot, bar, heatmap, panels, scatter
from app.theme import LIGHT
from tests.app.plotted import plotted


def test_plotly_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ValueError, match="colour"):
        plotted(Plot(scatter(x=[1], y=[2], colour="red")))
    with pytest.raises(ValueError, match="sideways"):
        plotted(frame.framed(Plot(bar(x=[1], y=[2])), LIGHT, 100, barmode="sideways"))


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 3), (3, 2)])
@pytest.mark.parametrize("same_y", [False, True])
def test_panels_stand_where_plotly_puts_them(rows: int, columns: int, same_y: bool) -> None:
    ours = panels(rows, columns, across=0.1, down=0.05, same_y=same_y)
    theirs = make_subplots(
        rows, columns, shared_xaxes=True, shared_yaxes=same_y, horizontal_spacing=0.1, vertical_spacing=0.05
    ).to_plotly_json()["layout"]
    for name in [name for name in theirs if "axis" in name]:
        assert ours.layout[name].pop("domain") == pytest.approx(theirs[name].pop("domain"))
        assert ours.layout[name] == theirs[name], name
    ours.add_trace(scatter(x=[1], y=[2]), "2" if columns > 1 else "")
    assert ours.data[0]["yaxis"] == ("y2" if columns > 1 else "y")


def test_it_is_written_as_plotly_writes_it() -> None:
    """But for the template, and for whole numbers, which are written in four bytes."""
    values = np.array([[1, np.nan, 3], [4, 5, np.inf]], np.float32)
    figure = Plot(heatmap(z=values, x=("a", "<b>", None)), scatter(x=np.arange(3, dtype=np.int64), y=[1, np.nan, 2]))
    figure.update_layout(title={"text": "t"}, width=None, height=np.int64(50))
    figure.update_layout(title={"font": {"size": 9}})
    figure.update_xaxes(range=[0, 1.5])
    figure.add_annotation(text="here", x=1, y=2)
    figure.add_vline(1, {"width": 1})
    figure.add_hline(2, {"width": 2})
    written = json.loads(figure.to_json())
    theirs = go.Figure(figure.data, figure.layout).to_dict()
    assert written["data"][0]["z"] == theirs["data"][0]["z"]
    assert written["data"][0]["x"] == ["a", "<b>", None]
    assert written["data"][1]["x"]["dtype"] == "i4"
    assert written["data"][1]["y"] == [1, None, 2]
    assert written["layout"]["title"] == {"text": "t", "font": {"size": 9}}
    assert written["layout"]["height"] == 50
    assert "width" not in written["layout"]
    same = go.Figure().add_vline(1, line={"width": 1}).add_hline(2, line={"width": 2}).to_dict()["layout"]["shapes"]
    assert written["layout"]["shapes"] == same
    assert "frames" not in written


def test_a_figure_keeps_nothing_that_is_given_to_another() -> None:
    shared = {"font": {"size": 9}}
    one, other = Plot(), Plot()
    for figure in (one, other):
        figure.update_layout(title=shared)
    one.update_layout(title={"font": {"size": 20}})
    assert other.layout["title"] == {"font": {"size": 9}} == shared
