from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr

from app.figures import aggregate, layers, marks, scale, tables, timelines, token
from app.theme import DARK, LIGHT, SIGNALS, number
from titans_core import passages, record
from titans_core.pyramid import bins
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


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory, traces: list[xr.Dataset]) -> xr.Dataset:
    """A stored trace of 100,003 tokens with a pyramid: random values, one infinite, a high start."""
    random, count = np.random.default_rng(0), 100_003
    arrays = {name: random.gamma(2, 5, (3, count)).astype(np.float32) for name in (*timelines.ROWS, "alpha")}
    arrays["surprise"][:, 0], arrays["momentum"][1, 70_000] = 900, np.inf
    arrays["nll"] = random.gamma(2, 5, count).astype(np.float32)
    store = tmp_path_factory.mktemp("long") / "long.zarr"
    places = np.arange(count)
    recording = record.Recording(places % 3, places, places + 1, ["a", "b", "c"], "x" * count, store)
    recording.add(arrays)
    config = json.dumps({"window": 64})
    return recording.finish({"checkpoint": "mac", "variant": "mac", "config": config})


@pytest.fixture
def unread(long: xr.Dataset, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many tokens of variables are read, each time; the pyramid's bins do not count."""
    read: list[int] = []
    plain = xr.Variable.values.fget
    counted = property(lambda v: (read.append(v.sizes["token"]) if "layer" in v.sizes else None, plain(v))[1])
    monkeypatch.setattr(xr.Variable, "values", counted)
    return read


def every(ds: xr.Dataset, name: str, low: int, high: int) -> np.ndarray:
    """(L, high - low) raw values, straight from the store and not kept."""
    return np.asarray(ds[name].isel(token=slice(low, high)).values)


def test_a_column_of_a_stored_trace_does_not_stay_in_memory(long: xr.Dataset) -> None:
    np.testing.assert_allclose(aggregate.column(long, "alpha"), every(long, "alpha", 0, 100_003).mean(0), rtol=1e-6)
    part = aggregate.column(long, "alpha", 2, (20_000, 50_000))
    np.testing.assert_array_equal(part, every(long, "alpha", 20_000, 50_000)[2])
    assert aggregate.at(long, "alpha", 5, 1) == every(long, "alpha", 5, 6)[1, 0]
    assert not long["alpha"].variable._in_memory
    with pytest.raises(IndexError):
        aggregate.column(long, "alpha", 3)


@pytest.mark.parametrize("span", [None, (0, 3_000), (50_001, 51_000), (61_234, 98_765), (99_001, 100_003)])
def test_timelines_of_a_span_have_its_lowest_and_highest(long: xr.Dataset, span: tuple[int, int] | None) -> None:
    figure = timelines.timelines([long], LIGHT, layer=1, span=span)
    low, high = (int(end - 0.5) for end in figure.layout.xaxis.range)
    asked = span or (0, 100_003)
    slack = (asked[1] - asked[0]) // 1000 + 128
    assert low <= asked[0] < low + slack
    assert high - slack < asked[1] <= high
    lines = {row: [line for line in figure.data if line.yaxis == row] for row in ("y", "y2", "y3")}
    for (row, drawn), name in zip(lines.items(), timelines.ROWS, strict=True):
        values = every(long, name, low, high)[1]
        values = values[np.isfinite(values)]
        assert np.nanmin(drawn[0].y) == values.min(), row
        assert np.nanmax(drawn[-1].y) == values.max(), row
        assert len(drawn[-1].y) <= aggregate.BINS + 1
        size = int(drawn[-1].dx)
        assert drawn[-1].x0 == low + (size + 1) / 2, "the first bin begins where the axis does"
        assert low + size * len(drawn[-1].y) >= high
    tops = [figure.layout[axis].range for axis in ("yaxis", "yaxis2", "yaxis3")]
    assert span is None or None not in tops, "zoomed figures keep the vertical scale of the whole text"


def test_bins_say_where_their_highest_token_is(long: xr.Dataset) -> None:
    line = timelines.timelines([long], LIGHT, layer=0, span=(10_000, 60_000)).data[1]
    values = every(long, "surprise", 0, 60_001)[0]
    for value, (lowest, peak) in zip(line.y, line.customdata, strict=True):
        assert values[int(peak) - 1] == value >= lowest
    heat = layers.layer_map([long], "surprise", LIGHT, span=(10_000, 60_000)).data[0]
    for row, (cells, peaks) in enumerate(zip(heat.z, heat.customdata, strict=True)):
        np.testing.assert_array_equal(every(long, "surprise", 0, 60_100)[row, peaks - 1], cells)


@pytest.mark.parametrize("how", ["max", "mean"])
@pytest.mark.parametrize("span", [None, (0, 3_000), (50_001, 51_000), (61_234, 98_765), (99_001, 100_003)])
def test_the_layer_map_of_a_span_equals_the_trace(long: xr.Dataset, span: tuple[int, int] | None, how: str) -> None:
    figure = layers.layer_map([long], "surprise", LIGHT, span=span, how=how)
    heat = figure.data[0]
    low, high = (int(end - 0.5) for end in figure.layout.xaxis.range)
    size = int(heat.dx)
    assert heat.x0 == low + (size + 1) / 2, "the first cell begins where the axis does"
    values = every(long, "surprise", low, high)
    for k in range(len(heat.z[0])):
        part = values[:, k * size : (k + 1) * size]
        wanted = part.max(1) if how == "max" else part.astype(float).mean(1)
        np.testing.assert_allclose(heat.z[:, k], wanted, rtol=1e-6)
    timeline = timelines.timelines([long], LIGHT, span=span)
    assert timeline.layout.xaxis.range == figure.layout.xaxis.range, "both show the same tokens"


def test_a_long_trace_is_not_read_whole(long: xr.Dataset, unread: list[int]) -> None:
    for span in (None, (20_000, 90_000)):
        timelines.timelines([long], LIGHT, span=span)
        timelines.note([long], None, span)
        timelines.summary([long], None, span)
        for how in ("max", "mean"):
            layers.layer_map([long], "surprise", LIGHT, span=span, how=how)
            layers.note([long], "surprise", span, how)
            layers.summary([long], "surprise", span)
        tables.timelines([long], None, span)
        tables.layer_map([long], "surprise", span)
    tables.tokens([long], "surprise", None, 50_000)
    assert unread
    assert max(unread) <= aggregate.BLOCK


def test_notes_say_how_many_of_how_many(long: xr.Dataset) -> None:
    assert "showing 2,000 of 100,003 tokens, lowest and highest per bin of 101 tokens" not in timelines.note([long], 0)
    found = bins(long, "surprise", layer=0)
    size, drawn = aggregate.width(found), 2 * len(found.start)
    words = f"showing {drawn:,} of 100,003 tokens, lowest and highest per bin of {size} tokens"
    assert words in timelines.note([long], 0)
    assert f"showing {len(found.start)} of 100,003 tokens, highest per bin of {size}" in layers.note([long], "surprise")
    assert f"from all 100,003 tokens, mean per bin of {size}" in layers.note([long], "surprise", how="mean")
    zoomed = timelines.note([long], None, (50_000, 50_900))
    assert "tokens 50,001 to 50,900 of 100,003, showing all 900 tokens" in zoomed
    assert "1 infinite values are not drawn" in layers.note([long], "momentum", (69_500, 70_400))
    assert "starts above the scale" not in zoomed
    assert "starts above the scale: surprise" in timelines.note([long], None, (0, 900))


def test_the_scale_of_a_long_trace_is_of_bins_or_a_sample(long: xr.Dataset) -> None:
    fine = layers.layer_scale([long], "forgotten")
    values = every(long, "forgotten", 64, 100_003)
    np.testing.assert_allclose([fine.low, fine.high], np.percentile(values, [1, 99]), rtol=0.05)
    assert "of a sample of 65,536 tokens" in fine.rule
    found = bins(long, "surprise", layer="each", wanted=100)
    coarse = layers.layer_scale([long], "surprise", aggregate.width(found))
    kept = found.max[:, found.start >= 64]
    np.testing.assert_allclose([coarse.low, coarse.high], np.percentile(kept, [1, 99]), rtol=1e-6)
    assert f"of bins of {aggregate.width(found):,} tokens, after token 64" in coarse.rule


def test_the_highest_value_after_a_start_is_exact(long: xr.Dataset) -> None:
    values = every(long, "surprise", 0, 100_003)
    for start in (0, 1, 64, 500, 99_999):
        assert aggregate.highest(long, "surprise", 2, start) == values[2, start:].max()
    assert aggregate.highest(long, "momentum", 1) == np.nanmax(
        np.where(np.isinf(m := every(long, "momentum", 0, 100_003)[1]), 0, m)
    )


def test_timelines_draw_the_trace(traces: list[xr.Dataset]) -> None:
    figure = timelines.timelines(traces, LIGHT)
    assert len(figure.data) == 3 * len(traces)
    for row, name in enumerate(timelines.ROWS):
        for k, ds in enumerate(traces):
            line = figure.data[row * len(traces) + k]
            np.testing.assert_array_equal(line.y, aggregate.column(ds, name))
            assert (line.x0, line.dx) == (1, 1), "tokens are counted from 1"
            assert line.line.color == LIGHT.variants[ds.attrs["checkpoint"]]
            assert line.type == "scatter"
    titles = [note.text for note in figure.layout.annotations]
    assert titles == [f"{SIGNALS[name].label.lower()} {SIGNALS[name].symbol}" for name in timelines.ROWS]
    assert figure.layout.xaxis3.title.text == "token"
    assert tuple(figure.layout.xaxis.range) == (0.5, traces[0].sizes["token"] + 0.5)


def test_timelines_say_what_they_left_out(traces: list[xr.Dataset]) -> None:
    figure = timelines.timelines(traces[:1], DARK, wanted=20)
    low, high = figure.data[:2]
    assert len(high.y) <= 21
    assert (min(low.y), max(high.y)) == tuple(f(aggregate.column(traces[0], "surprise")) for f in (np.min, np.max))
    count = traces[0].sizes["token"]
    assert f"showing all {count:,} tokens" in timelines.note(traces[:1], None)
    assert f"showing {2 * len(high.y) - 1} of {count}" in timelines.note(traces[:1], None, wanted=20)
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


def test_a_known_scale_is_not_read_again(long: xr.Dataset) -> None:
    spans: list[object] = []

    def read(*of: object, **how: object) -> object:
        spans.append(how.get("span"))
        return bins(*of, **how)  # type: ignore[arg-type]

    span, plain = (50_000, 50_900), timelines.timelines([long], LIGHT, span=(50_000, 50_900))
    known = {name: timelines.reach([long], name, None) for name in timelines.ROWS}
    figure = timelines.timelines([long], LIGHT, span=span, read=read, reached=known.__getitem__)
    assert spans == [span] * 3
    assert figure.layout == plain.layout


def test_what_is_selected_is_marked_in_every_row(traces: list[xr.Dataset]) -> None:
    figure = marks.mark(timelines.timelines(traces, LIGHT), LIGHT, 4)
    assert [(shape.x0, shape.xref, shape.yref) for shape in figure.layout.shapes] == [
        (5, "x", "y domain"),
        (5, "x2", "y2 domain"),
        (5, "x3", "y3 domain"),
    ]
    figure = marks.mark(layers.layer_map(traces[:1], "surprise", LIGHT), LIGHT, 4, (2, 9), halo=True)
    shaded, *lines = figure.layout.shapes
    assert (shaded.type, shaded.x0, shaded.x1) == ("rect", 2.5, 9.5)
    assert [line.x0 for line in lines] == [5, 5]
    assert not marks.mark(figure, LIGHT, None).layout.shapes


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
