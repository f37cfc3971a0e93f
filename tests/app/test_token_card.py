"""Lineage and fate as they are drawn: every number on the card is one that the core found."""

from __future__ import annotations

import math
import re

import numpy as np
import plotly.graph_objects as go
import pytest
import xarray as xr

from app.figures import fate as fate_figure
from app.figures import lineage as lineage_figure
from app.figures import token
from app.figures.lineage import percent
from app.theme import DARK, LIGHT, label
from tests.app.plotted import plotted
from titans_core import lineage
from titans_core.lineage import Fate, Lineage, Push

pytestmark = pytest.mark.filterwarnings("error")

HERE = 30


@pytest.fixture
def found(traces: list[xr.Dataset]) -> list[Lineage]:
    return [lineage.lineage(ds, HERE) for ds in traces]


@pytest.fixture
def fates(traces: list[xr.Dataset]) -> list[Fate]:
    return [lineage.fate(ds, HERE) for ds in traces]


def bars(figure: go.Figure) -> go.Bar:
    return figure.data[1]


def long_fate(**changes: object) -> Fate:
    tokens = np.array([9, 10, 19, 109, 1009])
    return Fate(9, tokens, np.array([0.9, 1, 0.8, 0.4, 0.2]), 3.0, 10, 60.0, 0.2)._replace(**changes)


def test_a_new_run_has_what_the_card_needs(traces: list[xr.Dataset]) -> None:
    assert all(lineage.recorded(ds) for ds in traces)


def test_the_bars_are_the_strongest_pushes(traces: list[xr.Dataset], found: list[Lineage]) -> None:
    ds, one = traces[0], found[0]
    drawn = bars(plotted(lineage_figure.lineage([ds], [one], LIGHT)))
    shown = [push for push in one.pushes if push.share >= lineage_figure.LEAST]
    assert shown, "nothing is tested"
    assert list(drawn.x) == [push.share for push in shown]
    assert list(drawn.text) == [percent(push.share) for push in shown]
    assert drawn.marker.color == LIGHT.signal("past_surprise")
    assert drawn.orientation == "h"
    facts = drawn.customdata[0]
    assert facts[0] == shown[0].token
    assert facts[2] == str(shown[0].token + 1)
    assert facts[3] == ("1 token before" if shown[0].token == HERE - 1 else f"{HERE - shown[0].token} tokens before")


def test_a_row_can_be_clicked_where_its_bar_is_short(traces: list[xr.Dataset], found: list[Lineage]) -> None:
    figure = plotted(lineage_figure.lineage(traces, found, DARK))
    track = figure.data[0]
    assert [facts[0] for facts in track.customdata] == [facts[0] for facts in bars(figure).customdata]
    assert list(track.y) == list(bars(figure).y)
    assert min(track.x) > max(bars(figure).x)
    for drawn in figure.data:
        assert drawn.unselected.marker.opacity == drawn.selected.marker.opacity == drawn.marker.opacity


def test_each_run_has_its_name_and_its_bars(traces: list[xr.Dataset], found: list[Lineage]) -> None:
    figure = plotted(lineage_figure.lineage(traces, found, LIGHT))
    names = {note.text: note.y for note in figure.layout.annotations}
    assert set(names) == {"MAC", "MAG", "MAL"}
    places = list(bars(figure).y)
    assert len(set(places) | set(names.values())) == len(places) + 3, "no two share a row"
    counts = [len(lineage_figure.shown(one)) for one in found]
    assert len(places) == sum(counts)
    assert names["MAG"] == names["MAC"] + counts[0] + 1
    assert not plotted(lineage_figure.lineage(traces[:1], found[:1], LIGHT)).layout.annotations


def test_pieces_are_shown_as_text(traces: list[xr.Dataset], found: list[Lineage]) -> None:
    ds, one = traces[0].copy(), found[0]
    pieces = ds["piece"].values.copy()
    pieces[[push.token for push in one.pushes]] = " <b>bold</b>&amp; and long"
    ds = ds.assign_coords(piece=("token", pieces))
    figure = plotted(lineage_figure.lineage([ds], [one], LIGHT))
    assert set(figure.layout.yaxis.ticktext) == {"&lt;b&gt;bold&lt;/b&gt;&amp;a…"}
    assert bars(figure).customdata[0][1] == "&lt;b&gt;bold&lt;/b&gt;&amp;amp; and long"
    assert "“<b>bold</b>&amp; and long”" in lineage_figure.summary([ds], [one])


def test_the_first_token_carries_nothing(traces: list[xr.Dataset]) -> None:
    one = lineage.lineage(traces[0], 0)
    figure = plotted(lineage_figure.lineage(traces[:1], [one], LIGHT))
    assert len(bars(figure).x) == 0
    assert lineage_figure.words(one) == f"Of all pushes in the momentum: its own {percent(1)}."
    assert "token 1." in lineage_figure.summary(traces[:1], [one])


def test_the_words_add_up(found: list[Lineage]) -> None:
    own = Push(20, 2.0, 0.5)
    pushes = (Push(19, 1.6, 0.4), Push(12, 0.0012, 0.0003))
    one = Lineage(own, pushes, 0.3988, 4.0, 0.02)
    assert lineage_figure.words(one).replace("\u00a0", " ") == (
        "Of all pushes in the momentum: its own 50 %, the bars 40 %, all other tokens 10 %."
        " Of older pushes up to 2.0 % may be left."
    )
    assert lineage_figure.shown(one) == [pushes[0]]
    empty = Lineage(Push(4, 0.0, 0.0), (), 0.0, 0.0, 0.0)
    assert lineage_figure.words(empty) == "Nothing is carried here: no head has pushed."
    for real in found:
        drawn = sum(push.share for push in lineage_figure.shown(real))
        assert f"its own {percent(real.own.share)}, the bars {percent(drawn)}" in lineage_figure.words(real)


def test_the_curve_is_what_is_left(traces: list[xr.Dataset], fates: list[Fate]) -> None:
    figure = plotted(fate_figure.fate(traces[:1], fates[:1], LIGHT))
    (curve,) = figure.data
    np.testing.assert_array_equal(curve.x, np.arange(traces[0].sizes["token"] - HERE) + 1)
    np.testing.assert_array_equal(curve.y, fates[0].left)
    assert curve.fill == "tozeroy"
    assert curve.line.color == LIGHT.selected
    assert curve.customdata[4][0] == f"{HERE + 5}, 4 tokens from here"
    assert curve.customdata[4][1] == percent(fates[0].left[4])
    lines = [one.half_life + 1 for one in fates[:1] if math.isfinite(one.half_life)]
    assert [shape.x0 for shape in figure.layout.shapes] == lines
    assert figure.layout.xaxis.type != "log"


def test_several_runs_are_lines_in_their_colours(traces: list[xr.Dataset], fates: list[Fate]) -> None:
    figure = plotted(fate_figure.fate(traces, fates, DARK))
    assert [curve.name for curve in figure.data] == ["MAC", "MAG", "MAL"]
    assert [curve.line.color for curve in figure.data] == [DARK.variants[name] for name in ("mac", "mag", "mal")]
    assert {curve.fill for curve in figure.data} == {None}
    assert figure.layout.showlegend


def test_a_long_text_has_a_log_axis_that_says_so(traces: list[xr.Dataset]) -> None:
    figure = plotted(fate_figure.fate(traces[:1], [long_fate()], LIGHT))
    assert figure.layout.xaxis.type == "log"
    assert figure.layout.xaxis.title.text.endswith("log scale")
    np.testing.assert_allclose(figure.layout.xaxis.range, [0, math.log10(1001)])
    assert list(figure.data[0].x) == [1, 2, 11, 101, 1001]
    assert figure.layout.shapes[0].x0 == 61


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (
            long_fate(),
            "Half-life: 60 tokens. Left at the end of the text, 1,000 tokens from here: 20 %."
            " It is largest 1 token from here, while the momentum still pushes.",
        ),
        (
            long_fate(peak=9, half_life=math.inf, end=0.97),
            "Half-life: not within this text. Left at the end of the text, 1,000 tokens from here: 97 %.",
        ),
        (
            long_fate(tokens=np.array([9]), left=np.ones(1)),
            "The text ends here, before anything becomes of this write.",
        ),
        (long_fate(tokens=np.empty(0, int), size=0.0), "Nothing was written here."),
    ],
)
def test_the_half_life_in_words(one: Fate, words: str) -> None:
    assert fate_figure.half_life(one).replace("\u00a0", " ") == words


def test_a_token_that_wrote_nothing_or_ends_the_text_is_drawn(traces: list[xr.Dataset]) -> None:
    nothing = long_fate(tokens=np.empty(0, int), left=np.empty(0), size=0.0, half_life=math.nan)
    assert not plotted(fate_figure.fate(traces[:1], [nothing], LIGHT)).data
    last = lineage.fate(traces[0], traces[0].sizes["token"] - 1)
    assert plotted(fate_figure.fate(traces[:1], [last], LIGHT)).data[0].mode == "markers"


def test_the_summaries_name_run_token_and_numbers(
    traces: list[xr.Dataset], found: list[Lineage], fates: list[Fate]
) -> None:
    said = lineage_figure.summary(traces, found)
    assert f"at token {HERE + 1}." in said
    for ds, one in zip(traces, found, strict=True):
        assert f"{label(ds.attrs['checkpoint'])}: “" in said
        assert f"token {one.pushes[0].token + 1}, {percent(one.pushes[0].share)}" in said
    said = fate_figure.summary(traces, fates)
    assert [part in said for part in ("MAC: ", "MAG: ", "MAL: ")] == [True] * 3
    assert len(re.findall(r"Half-life: (\d|not within)", said)) == 3


def test_the_tables_hold_what_is_drawn(traces: list[xr.Dataset], found: list[Lineage], fates: list[Fate]) -> None:
    _, frame = lineage_figure.table(traces, found)
    of_mag = frame[frame["memory"] == "MAG"]
    pushes = (found[1].own, *found[1].pushes)
    assert list(of_mag["token"]) == [push.token + 1 for push in pushes]
    np.testing.assert_array_equal(of_mag["share"], [push.share for push in pushes])
    np.testing.assert_array_equal(of_mag["strength"], [push.strength for push in pushes])
    _, frame = fate_figure.table(traces, fates)
    np.testing.assert_array_equal(frame[frame["memory"] == "MAL"]["left"], fates[2].left)


def test_the_momentum_of_a_layer_has_its_own_lineage(traces: list[xr.Dataset]) -> None:
    """Over layers, strengths add in squares, as the momentary push on the same card does."""
    ds = traces[0]
    layers = [lineage.lineage(ds, HERE, layer).own.strength for layer in range(ds.sizes["layer"])]
    np.testing.assert_allclose(layers, ds["momentary"].values[:, HERE], rtol=1e-6)
    drawn = {bar.name: bar.x[0] for bar in plotted(token.moves([ds], HERE, LIGHT)).data}
    assert lineage.lineage(ds, HERE).own.strength == pytest.approx(drawn["this token"], rel=1e-6)


def faint(ds: xr.Dataset, layer: int) -> xr.Dataset:
    """The trace with a layer into which nothing is written to speak of."""
    changed = {}
    for name in (*token.MOVES, "memory"):
        values = ds[name].values.copy()
        values[layer] = 1e-23
        changed[name] = (ds[name].dims, values)
    return ds.assign(changed)


def test_next_to_nothing_is_no_bar_but_said(traces: list[xr.Dataset]) -> None:
    ds = faint(traces[0], 1)
    assert token.still(ds, HERE, 1)
    assert not any(token.still(ds, HERE, layer) for layer in (0, 2, None))
    assert token.still_words([ds], HERE, 1).startswith("Nothing was written here: ")
    assert token.still_words([ds, traces[1]], HERE, 1).startswith("In MAC nothing was written here: ")
    assert token.still_words([ds, traces[1]], HERE, None) == ""
    assert "layer 2. MAC: nothing was written; MAG: this token" in token.summary([ds, traces[1]], HERE, 1)
    assert token.still(ds.assign({name: 0 * ds[name] for name in token.MOVES}), HERE), "zero is nothing too"


def test_shares_of_next_to_nothing_are_no_lineage_and_no_fate(found: list[Lineage], fates: list[Fate]) -> None:
    assert lineage_figure.words(lineage_figure.none(found[0])) == "Nothing is carried here: no head has pushed."
    assert fate_figure.half_life(fate_figure.none(fates[0])) == "Nothing was written here."


def test_a_card_is_of_the_chosen_layer_and_says_so(traces: list[xr.Dataset]) -> None:
    ds = traces[0]
    rows = {row["name"]: row for row in token.values(ds, HERE, 1)}
    for name in ("surprise", "theta", "memory"):
        assert rows[name]["value"] == pytest.approx(float(ds[name].values[1, HERE]))
        assert rows[name]["rule"] == "layer 2"
        assert len(rows[name]["layers"]) == 3, "the others can still be looked up"
    assert rows["nll"]["value"] == pytest.approx(float(ds["nll"].values[HERE]))
    assert [token.where(traces, layer) for layer in (None, 1)] == ["3 layers together", "layer 2"]
    assert token.where([ds[["nll"]].drop_vars("layer", errors="ignore")], None) == ""


@pytest.mark.parametrize(
    ("share", "shown"),
    [(0, "0 %"), (1e-9, "under 0.1 %"), (0.001, "0.1 %"), (0.0994, "9.9 %"), (0.0996, "10 %"), (0.5, "50 %"),
     (0.994, "99 %"), (0.9999, "99.9 %"), (1, "100 %")],
)  # fmt: skip
def test_percent(share: float, shown: str) -> None:
    assert percent(share).replace("\u00a0", " ") == shown
