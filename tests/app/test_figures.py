from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr

from app.figures import aggregate, layers, scale, tables, timelines, token
from app.theme import DARK, LIGHT, SIGNALS, number
from titans_core import passages
from titans_core.signals import sum_layers

pytestmark = pytest.mark.filterwarnings("error")


def test_all_layers_follow_the_rule_of_their_kind(traces: list[xr.Dataset]) -> None:
    ds = traces[0]
    np.testing.assert_allclose(aggregate.column(ds, "surprise"), np.sqrt((ds.surprise.values**2).sum(0)), rtol=1e-6)
    np.testing.assert_allclose(aggregate.column(ds, "theta"), ds.theta.values.mean(0), rtol=1e-6)
    np.testing.assert_allclose(aggregate.column(ds, "loss"), ds.loss.values.sum(0), rtol=1e-6)
    np.testing.assert_array_equal(aggregate.column(ds, "nll"), ds.nll.values)
    np.testing.assert_array_equal(aggregate.column(ds, "surprise", 1), ds.surprise.values[1])
    assert np.isnan(aggregate.column(ds, "alignment")[0]) == np.isnan(ds.alignment.values[:, 0]).all()


def test_undefined_layers_are_left_out() -> None:
    values = np.array([[np.nan, 1.0, 3.0], [np.nan, np.nan, 4.0]])
    np.testing.assert_allclose(sum_layers("surprise", values), [np.nan, 1, 5])
    np.testing.assert_allclose(sum_layers("alignment", values), [np.nan, 1, 3.5])


def test_min_max_keeps_the_extremes_of_every_bin() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=10_007).astype(np.float32)
    values[5000] = np.nan
    index, kept = aggregate.min_max(values, 2000)
    assert len(index) <= 2000
    assert (np.diff(index) > 0).all()
    assert kept.max() == np.nanmax(values)
    assert kept.min() == np.nanmin(values)
    np.testing.assert_array_equal(values[index], kept)
    np.testing.assert_array_equal(aggregate.min_max(values[:7], 2000)[1], values[:7])


def test_block_max_keeps_peaks() -> None:
    values = np.zeros((2, 5000), np.float32)
    values[1, 3333] = 9
    starts, blocks = aggregate.block_max(values, 1200)
    assert blocks.shape[1] <= 1200
    assert blocks.shape[1] == len(starts)
    assert blocks[1].max() == 9
    assert starts[blocks[1].argmax()] <= 3333 < starts[blocks[1].argmax()] + 5


def test_timelines_draw_the_trace(traces: list[xr.Dataset]) -> None:
    figure = timelines.timelines(traces, LIGHT)
    assert len(figure.data) == 3 * len(traces)
    for row, name in enumerate(timelines.ROWS):
        for k, ds in enumerate(traces):
            line = figure.data[row * len(traces) + k]
            np.testing.assert_array_equal(line.y, aggregate.column(ds, name))
            np.testing.assert_array_equal(line.x, np.arange(ds.sizes["token"]) + 1)
            assert line.line.color == LIGHT.variants[ds.attrs["checkpoint"]]
            assert line.type == "scatter"
    titles = [note.text for note in figure.layout.annotations]
    assert titles == [f"{SIGNALS[name].label.lower()} {SIGNALS[name].symbol}" for name in timelines.ROWS]
    assert figure.layout.xaxis3.title.text == "token"
    assert tuple(figure.layout.xaxis.range) == (0.5, traces[0].sizes["token"] + 0.5)


def test_timelines_say_what_they_left_out(traces: list[xr.Dataset]) -> None:
    figure = timelines.timelines(traces[:1], DARK, points=20)
    assert len(figure.data[0].x) <= 20
    assert max(figure.data[0].y) == aggregate.column(traces[0], "surprise").max()
    count = traces[0].sizes["token"]
    assert f"showing all {count:,} tokens" in timelines.note(traces[:1], None)
    assert f"showing {len(figure.data[0].x)} of {count}" in timelines.note(traces[:1], None, points=20)
    assert "3 layers" in timelines.note(traces, None)
    assert "layer 2" in timelines.note(traces, 1)


def started(ds: xr.Dataset, window: int) -> xr.Dataset:
    """The trace with a long text's settling start, whose first surprise is far above all others."""
    config = json.loads(ds.attrs["config"]) | {"window": window}
    values = ds["surprise"].values.copy()
    values[:, 0] = 9 * values.max()
    return ds.assign(surprise=(ds["surprise"].dims, values)).assign_attrs(config=json.dumps(config))


def test_a_start_from_an_empty_memory_does_not_flatten_the_rest(traces: list[xr.Dataset]) -> None:
    ds = started(traces[0], 8)
    values = aggregate.column(ds, "surprise")
    figure = timelines.timelines([ds], LIGHT)
    np.testing.assert_allclose(figure.layout.yaxis.range, [0, 1.05 * values[8:].max()], rtol=1e-6)
    np.testing.assert_array_equal(figure.data[0].y, values)
    assert f"starts above the scale: surprise {number(float(values[0]))}" in timelines.note([ds], None)
    whole = started(traces[0], 128)  # too short a text to leave anything out
    assert timelines.timelines([whole], LIGHT).layout.yaxis.range is None
    assert "above the scale" not in timelines.note([whole], None)


def test_the_selected_token_is_marked_in_every_row(traces: list[xr.Dataset]) -> None:
    figure = timelines.mark(timelines.timelines(traces, LIGHT), 4, LIGHT)
    assert [shape.x0 for shape in figure.layout.shapes] == [5, 5, 5]


def test_the_layer_map_draws_the_trace_on_one_scale(traces: list[xr.Dataset]) -> None:
    figure = layers.layer_map(traces, "surprise", LIGHT)
    limits = layers.layer_scale(traces, "surprise")
    assert [heat.type for heat in figure.data] == ["heatmap"] * len(traces)
    for heat, ds in zip(figure.data, traces, strict=True):
        np.testing.assert_array_equal(heat.z, ds.surprise.values)
        assert (heat.zmin, heat.zmax) == (limits.low, limits.high)
        assert list(heat.y) == ["L1", "L2", "L3"]
    everything = np.concatenate([ds.surprise.values.ravel() for ds in traces])
    np.testing.assert_allclose([limits.low, limits.high], np.percentile(everything, [1, 99]), rtol=1e-6)
    assert number(limits.high) in layers.note(traces, "surprise")


def test_a_signed_signal_is_centred_at_zero(traces: list[xr.Dataset]) -> None:
    heat = layers.layer_map(traces, "alignment", LIGHT).data[0]
    assert (heat.zmin, heat.zmax) == (-1, 1)
    assert heat.colorscale[0][1] == LIGHT.diverging[0]


def test_a_signal_that_some_lack_is_drawn_where_it_is(traces: list[xr.Dataset]) -> None:
    assert len(layers.layer_map(traces, "gate", LIGHT).data) == 1
    assert len(layers.layer_map(traces, "share_memory", LIGHT).data) == 1


@pytest.mark.parametrize(
    ("signal", "column", "low", "high"),
    [
        ("share_memory", [0.2, 0.3], 0, 1),
        ("eta", [0.5, 0.7], 0, 1),
        ("alignment", [-0.2, 0.3], -1, 1),
        ("surprise", [5.0, 5.0], 5, 10),
        ("surprise", [np.nan, np.nan], 0, 1),
    ],
)
def test_scales(signal: str, column: list[float], low: float, high: float) -> None:
    limits = scale.shared([np.array(column)], signal)
    assert (limits.low, limits.high) == (low, high)


def test_a_robust_scale_says_how_many_lie_above() -> None:
    values = np.arange(1000, dtype=np.float32)
    values[-1] = 1e9
    limits = scale.shared([values], "surprise")
    assert limits.high < 1000
    assert limits.above == 10
    small_gate = scale.shared([np.full(10, 0.003)], "alpha")
    assert small_gate.high < 0.01
    assert "far below 1" in small_gate.rule


def test_the_token_card_has_every_signal(traces: list[xr.Dataset]) -> None:
    rows = token.values(traces[0], 5)
    assert [row["name"] for row in rows] == aggregate.signals(traces[0])
    surprise = rows[0]
    assert surprise["value"] == pytest.approx(float(aggregate.column(traces[0], "surprise")[5]))
    assert surprise["layers"] == [pytest.approx(float(v)) for v in traces[0].surprise.values[:, 5]]
    assert surprise["source"] == traces[0].surprise.attrs["source"]
    assert "gate" in {row["name"] for row in token.values(traces[1], 0)}


def test_moves_are_the_norms_at_the_token(traces: list[xr.Dataset]) -> None:
    figure = token.moves(traces, 7, LIGHT)
    for bar, name in zip(figure.data, token.MOVES, strict=True):
        np.testing.assert_allclose(bar.x, [aggregate.column(ds, name)[7] for ds in traces])
        assert list(bar.y) == ["MAC", "MAG", "MAL"]
    assert figure.layout.barmode == "stack"
    assert "token 8" in token.summary(traces, 7)


def test_passages_are_apart_ranked_and_in_context() -> None:
    words = [f"word{k:03d} " for k in range(200)]
    text = "".join(words)
    start = np.arange(200) * 8
    values = np.ones(200, np.float32)
    values[[50, 120]] = [90, 60]
    first, second, *_ = passages.passages(values, start, start + 8, text, count=3)
    assert (first.token, second.token) == (50, 120)
    assert first.value == pytest.approx((90 + passages.SPAN - 1) / passages.SPAN)
    assert "word050" in first.core
    assert text.index(first.before.strip()) < text.index(first.core.strip())


@pytest.mark.parametrize("count", [1, 2, 5])
def test_passages_of_tiny_texts(count: int) -> None:
    text = "a b c d e"[: 2 * count - 1]
    start = np.arange(count) * 2
    found = passages.passages(np.ones(count, np.float32), start, start + 1, text)
    assert len(found) == 1
    assert found[0].core.strip() == text


def test_tables_hold_what_the_figures_draw(traces: list[xr.Dataset]) -> None:
    note, frame = tables.tokens(traces, "surprise", None, None)
    np.testing.assert_array_equal(frame["MAG surprise"], aggregate.column(traces[1], "surprise"))
    assert str(traces[0].sizes["token"]) in note
    _, frame = tables.timelines(traces, None)
    np.testing.assert_array_equal(frame["MAL momentum"], aggregate.column(traces[2], "momentum"))
    _, frame = tables.layer_map(traces[:1], "surprise")
    np.testing.assert_array_equal(frame["MAC L3"], traces[0].surprise.values[2])


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0"), (2.3149, "2.31"), (11.94, "11.9"), (1234.5, "1,234"), (0.0031, "0.00310"), (4.2e-5, "4.20e−5")],
)
def test_numbers(value: float, shown: str) -> None:
    assert number(value) == shown
    assert number(float("nan")) == "–"


def test_a_run_without_a_memory_draws_its_output(traces: list[xr.Dataset]) -> None:
    bare = traces[0][["nll", "entropy", "id"]].drop_dims("layer", errors="ignore").drop_vars("layer", errors="ignore")
    figure = timelines.timelines([bare], LIGHT)
    np.testing.assert_array_equal(figure.data[0].y, bare.nll.values)
    assert "showing all" in timelines.note([bare], None)
    assert not layers.layer_map([bare], "surprise", LIGHT).data
    assert [row["name"] for row in token.values(bare, 3)] == ["nll", "entropy"]
    assert list(tables.timelines([bare], None)[1]) == ["token", "MAC surprisal", "MAC entropy"]
