"""The memory over time as it is drawn: every number is one that was recorded, and a person's text is never markup."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import pytest
import streamlit as st
import xarray as xr
from streamlit.errors import StreamlitAPIException
from streamlit.testing.v1 import AppTest

from app import runs
from app.figures import memory, memory_path, memory_words
from app.theme import DARK, LIGHT, number
from app.views import parts
from tests.app.plotted import plotted
from titans_core import moments
from titans_core.moments import effective_rank, path

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture
def found(traces: list[xr.Dataset]) -> list[xr.Dataset]:
    """What was recorded of mac, mag, mal."""
    listed = [moments.moments(ds) for ds in traces]
    assert all(one is not None for one in listed)
    return [one for one in listed if one is not None]


def named(figure: go.Figure, name: str) -> list[go.Scatter]:
    return [trace for trace in figure.data if trace.name and trace.name.startswith(name)]


def test_the_rows_are_the_layers_with_what_was_recorded(found: list[xr.Dataset]) -> None:
    one = found[0]
    figure = plotted(memory.over_time(one, LIGHT, "#c4692a"))
    for layer, (size, moved) in enumerate(zip(named(figure, "size"), named(figure, "since"), strict=True)):
        assert list(size.x) == list(one["tokens"].values)
        np.testing.assert_array_equal(size.y, one["size"].values[layer])
        np.testing.assert_array_equal(moved.y, one["moved"].values[layer])
    ranks = effective_rank(one["singular"].values)
    for head in range(3):
        for layer, line in enumerate(named(figure, f"head {head + 1}")):
            np.testing.assert_array_equal(line.y, ranks[layer, head])
            assert line.connectgaps, "not every moment has a spectrum"
    assert len({line.line.dash for line in named(figure, "head")}) == 3, "heads are told apart without colour"
    assert [note.text for note in figure.layout.annotations][:2] == ["layer 1: size", "layer 1: effective rank"]


def test_drift_is_drawn_only_where_it_is_not_the_size(found: list[xr.Dataset]) -> None:
    one = found[1]
    assert memory.empty_start(one)
    assert not named(plotted(memory.over_time(one, LIGHT, "#c4692a")), "drift")
    assert "drift" not in memory.key(one)
    later = one.assign(size=one["size"] + 1)
    drawn = named(plotted(memory.over_time(later, LIGHT, "#c4692a")), "drift")
    np.testing.assert_array_equal(drawn[0].y, one["drift"].values[0])
    assert "dashed its drift" in memory.key(later)


@pytest.mark.parametrize("layer", [0, 2])
def test_the_path_is_that_of_the_core(layer: int, traces: list[xr.Dataset], found: list[xr.Dataset]) -> None:
    ds, one = traces[2], found[2]
    figure = plotted(memory_path.scrub(ds, one, layer, DARK, "#86ba83"))
    line, points, ring = figure.data[:3]
    way = path(one["gram"].values[layer])
    for trace in (line, points):
        np.testing.assert_array_equal(np.stack([trace.x, trace.y], 1), way.places)
    assert (ring.x[0], ring.y[0]) == tuple(way.places[-1])
    share = f"{100 * way.shares[0]:.0f}"
    assert share in figure.layout.xaxis.title.text
    assert figure.layout.yaxis.scaleanchor == "x", "a way is as long as it looks"
    tokens = one["tokens"].values
    assert [facts[0] for facts in points.customdata] == [max(0, int(t) - 1) for t in tokens]
    assert points.customdata[0][1].startswith("the start, before token 1")
    assert points.customdata[-1][1] == f"after token {ds.sizes['token']:,} of {ds.sizes['token']:,}"
    for trace in (points, ring):
        assert trace.selected.marker.opacity == trace.unselected.marker.opacity == 1


def test_a_way_of_many_moments_can_be_read(traces: list[xr.Dataset], found: list[xr.Dataset]) -> None:
    places = np.arange(40) % found[1].sizes["moment"]
    axes = ("moment", "other")
    many = found[1].isel(dict.fromkeys(axes, places))
    line, points = plotted(memory_path.scrub(traces[1], many, 0, LIGHT, "#2a6f97")).data[:2]
    assert line.line.width < 1
    assert line.opacity < 0.5
    between = points.marker.size[1:-1]
    assert max(between) <= 5 < min(points.marker.size[0], points.marker.size[-1])
    assert list(points.marker.color) == list(range(40)), "by position"
    assert points.marker.colorscale[0][1] == "#aac5d5", "also the start is seen"
    assert points.marker.colorscale[1][1] == "#2a6f97"
    assert [text.strip() for text in (points.text[0], *set(points.text[1:-1]), points.text[-1])] == ["start", "", "end"]


def test_each_moment_is_a_frame_that_says_what_changes(traces: list[xr.Dataset], found: list[xr.Dataset]) -> None:
    ds, one = traces[0], found[0]
    figure = plotted(memory_path.scrub(ds, one, 1, LIGHT, "#c4692a"))
    way, singular = path(one["gram"].values[1]), one["singular"].values[1]
    assert [frame.name for frame in figure.frames] == [str(k) for k in range(one.sizes["moment"])]
    for moment, frame in enumerate(figure.frames):
        assert list(frame.traces) == list(range(len(figure.data))), "a trace that is not named can no longer be clicked"
        ring, *heads = frame.data[2:]
        assert (ring.x[0], ring.y[0]) == tuple(way.places[moment])
        taken = memory_path.measured(singular, moment)
        assert taken <= moment
        for head, drawn in enumerate(heads):
            values = singular[head, taken]
            np.testing.assert_array_equal(drawn.y, np.where(values > 0, values, np.nan))
            assert memory_path.moment_words(int(one["tokens"][taken])) in drawn.hovertemplate
        assert ring.meta == {"moment": moment}
    assert figure.data[1].meta == memory_path.POINTS
    assert figure.data[2].meta == {"moment": len(figure.frames) - 1}


def test_the_page_shows_a_moment_by_a_button_that_is_not_seen(
    traces: list[xr.Dataset], found: list[xr.Dataset]
) -> None:
    figure = plotted(memory_path.scrub(traces[0], found[0], 0, LIGHT, "#c4692a"))
    assert not figure.layout.sliders, "plotly's own cannot be moved by keys"
    menu = figure.layout.updatemenus[0]
    (button,) = menu.buttons
    assert button.args[0] == (str(found[0].sizes["moment"] - 1),)
    assert button.args[1]["frame"]["duration"] == button.args[1]["transition"]["duration"] == 0, "nothing moves"
    assert {menu.bgcolor, menu.bordercolor, menu.font.color} == {"rgba(0,0,0,0)"}
    assert not button.label.strip()


def test_the_facts_of_a_moment_are_what_was_recorded(found: list[xr.Dataset]) -> None:
    one, layer = found[2], 1
    ranks = effective_rank(one["singular"].values[layer])
    listed = memory_words.facts(one, layer)
    assert len(listed) == len(memory_words.names(one)) == one.sizes["moment"]
    for moment, line in enumerate(listed):
        assert f"size {number(float(one['size'].values[layer, moment]))}" in line
        moved = f"{number(float(one['moved'].values[layer, moment]))} since the moment before"
        assert (moved in line) == (moment > 0)
        assert "from the start" not in line, "it starts empty, so that would be the size"
        taken = memory_path.measured(one["singular"].values[layer], moment)
        assert "effective rank of the heads " + ", ".join(f"{rank:.1f}" for rank in ranks[:, taken]) in line
        assert (f"taken {memory_words.names(one)[taken]}" in line) == (taken != moment)
    assert any("taken" in line for line in listed), "not every moment has a spectrum"
    later = one.assign(size=one["size"] + 1)
    assert f"{number(float(one['drift'].values[layer, -1]))} from the start" in memory_words.facts(later, layer)[-1]


def test_text_around_a_moment_is_text(traces: list[xr.Dataset]) -> None:
    ds = traces[0].copy()
    ds.attrs["text"] = "<b>x</b><script>alert(1)</script>&amp;" + traces[0].attrs["text"][38:]
    around = memory_path.around(ds, 4)
    assert "<script>" not in around
    assert around.count("<b>") == around.count("</b>") == 1
    assert "&lt;script&gt;" in memory_path.around(ds, 12)
    read = memory_path.around(traces[0], 9)
    end = int(traces[0]["end"].values[8])
    assert f"<b>{' '.join(traces[0].attrs['text'][:end].split())}</b>" in read
    assert memory_path.around(traces[0], 0).startswith("<b></b>The lamp")


def test_what_is_not_finite_is_left_out(traces: list[xr.Dataset], found: list[xr.Dataset]) -> None:
    broken = found[0].map(lambda v: v if v.name == "tokens" else v * np.nan)
    figure = plotted(memory_path.scrub(traces[0], broken, 0, LIGHT, "#c4692a"))
    assert np.isnan(figure.data[1].x).all()
    plotted(memory.over_time(broken, LIGHT, "#c4692a")).to_json()
    assert "–" in memory.summary(broken)
    assert "–" in memory_words.summary(broken, 0)
    assert all("–" in line for line in memory_words.facts(broken, 0))


def test_words_and_tables(found: list[xr.Dataset]) -> None:
    one = found[1]
    note, rows = memory.table(one)
    assert "unit of weights" in note
    assert len(rows) == 3 * one.sizes["moment"]
    np.testing.assert_array_equal(rows[rows.layer == 2]["size"], one["size"].values[1])
    _, rows = memory_words.table(one, 2)
    np.testing.assert_array_equal(rows["head 1 σ1"], one["singular"].values[2, 0, :, 0])
    np.testing.assert_allclose(rows["first direction"], path(one["gram"].values[2]).places[:, 0])
    assert f"{one.sizes['moment']} moments" in memory.summary(one)
    assert "Largest singular values at the end: head 1" in memory_words.summary(one, 2)
    assert memory.heads_words(1) == "its head"
    assert memory.heads_words(6).endswith("then the same again")


def page() -> None:
    import streamlit as st

    from app import runs
    from app.views.memory import memory_over_time

    shown = [runs.opened(run) for run in st.session_state["ids"]]
    memory_over_time([run for run in shown if run is not None])


def open_page(ids: list[str]) -> AppTest:
    at = AppTest.from_function(page, default_timeout=60)
    at.session_state["ids"] = ids
    return at.run()


def test_the_panel_of_one_and_of_several_runs(finished: dict[str, str]) -> None:
    at = open_page([finished["mal"]])
    assert not at.exception
    assert "MAL" in at.markdown[0].value
    assert len(at.get("plotly_chart")) == 2
    (slider,) = at.get("bidi_component")
    assert "scrub" in slider.proto.component_name
    at = open_page(list(finished.values()))
    assert not at.exception
    assert len(at.get("plotly_chart")) == 2
    assert "MAC" in at.markdown[0].value


def test_a_run_without_them_says_so(finished: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    run = runs.opened(finished["mag"])
    assert run is not None
    monkeypatch.setitem(run.ds.encoding, "moments", None)
    at = open_page([finished["mag"]])
    assert not at.exception
    assert any("stored without its memory at moments" in caption.value for caption in at.caption)


@pytest.mark.parametrize(
    ("chosen", "again"),
    [({"token": 3}, False), ({"signal": "momentum"}, False), ({"layer": 1}, True), ({"theme": "dark"}, True)],
)
def test_it_is_drawn_again_only_for_what_it_shows(
    chosen: dict[str, object], again: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[str] = []
    monkeypatch.setattr("streamlit.session_state", {"layer": None, "theme": "light", "parts": parts.EXPLORE})
    monkeypatch.setattr("streamlit.rerun", drawn.extend)
    parts.then_draw(lambda: st.session_state.update(chosen), "side")()
    assert drawn[0] == "side"
    assert set(drawn) == set(parts.EXPLORE) - (set() if again else {parts.MEMORY})


def test_the_layer_that_is_looked_at_is_the_first_choice(finished: dict[str, str]) -> None:
    at = AppTest.from_function(page, default_timeout=60)
    at.session_state["ids"], at.session_state["layer"] = [finished["mal"]], 2
    assert at.run().segmented_control[0].value == 2
    at.session_state["layer"] = 1
    assert at.run().segmented_control[0].value == 1


def test_a_choice_in_a_part_that_is_not_drawn_any_more_still_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(listed: list[str]) -> None:
        raise StreamlitAPIException(f"No fragment found for target {listed[0]!r}")

    monkeypatch.setattr("streamlit.rerun", gone)
    chosen: list[str] = []
    parts.then_link(lambda: chosen.append("layer"), parts.PATH)()
    assert chosen == ["layer"]
