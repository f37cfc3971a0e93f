from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr

from app.figures import aggregate, layers, scale, tables, timelines, token
from app.theme import LIGHT, SIGNALS, number
from tests.app.plotted import plotted
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
    facts, arrays = timelines.drawing([long], layer=1, span=span)
    (low, high), size = facts["extent"], facts["size"]
    asked = span or (0, 100_003)
    slack = (asked[1] - asked[0]) // 1000 + 128
    assert low <= asked[0] < low + slack
    assert high - slack < asked[1] <= high
    for row, name in enumerate(timelines.ROWS):
        values = every(long, name, low, high)[1]
        drawn = arrays[f"{row}/0/value"]
        assert drawn.dtype == np.float32
        assert len(drawn) == -(-(high - low) // size) <= aggregate.BINS + 1
        for k, value in enumerate(drawn):
            part = values[k * size : (k + 1) * size]
            part = part[np.isfinite(part)]
            assert value == part.max()
            if size > 1:
                assert arrays[f"{row}/0/low"][k] == part.min()
                assert arrays[f"{row}/0/mean"][k] == pytest.approx(part.mean(), rel=1e-5)
                assert values[arrays[f"{row}/0/peak"][k] - low] == value
    whole, _ = timelines.drawing([long], layer=1)
    assert facts["rows"] == whole["rows"], "zoomed figures keep the vertical scale of the whole text"


@pytest.mark.parametrize("how", ["max", "mean"])
@pytest.mark.parametrize("span", [None, (0, 3_000), (50_001, 51_000), (61_234, 98_765), (99_001, 100_003)])
def test_the_layer_map_of_a_span_equals_the_trace(long: xr.Dataset, span: tuple[int, int] | None, how: str) -> None:
    facts, arrays = layers.drawing([long], "surprise", span=span, how=how)
    (low, high), size = facts["extent"], facts["size"]
    values = every(long, "surprise", low, high)
    cells = arrays["0/value"].reshape(3, -1)
    assert cells.shape[1] == -(-(high - low) // size) <= aggregate.BINS + 1
    for k in range(cells.shape[1]):
        part = values[:, k * size : (k + 1) * size]
        wanted = part.max(1) if how == "max" else part.astype(float).mean(1)
        np.testing.assert_allclose(cells[:, k], wanted, rtol=1e-6)
        if size > 1:
            peaks = arrays["0/peak"].reshape(3, -1)[:, k]
            np.testing.assert_array_equal(values[[0, 1, 2], peaks - low], part.max(1))
    timeline, _ = timelines.drawing([long], span=span)
    assert (timeline["extent"], timeline["size"]) == (facts["extent"], size), "both show the same tokens"


def test_a_long_trace_is_not_read_whole(long: xr.Dataset, unread: list[int]) -> None:
    for span in (None, (20_000, 90_000)):
        timelines.drawing([long], span=span)
        for how in ("max", "mean"):
            layers.drawing([long], "surprise", span=span, how=how)
        tables.timelines([long], None, span)
        tables.layer_map([long], "surprise", span)
    tables.tokens([long], "surprise", None, 50_000)
    assert unread
    assert max(unread) <= aggregate.BLOCK


def test_notes_say_how_many_of_how_many(long: xr.Dataset) -> None:
    assert "showing 2,000 of 100,003 tokens" not in timelines.note([long], 0)
    found = bins(long, "surprise", layer=0)
    size, drawn = aggregate.width(found), 2 * len(found.start)
    words = f"showing {drawn:,} of 100,003 tokens, mean over lowest to highest per bin of {size} tokens"
    assert words in timelines.note([long], 0)
    note = layers.drawing([long], "surprise")[0]["note"]
    assert f"showing {len(found.start)} of 100,003 tokens, highest per bin of {size}" in note
    assert (
        f"from all 100,003 tokens, mean per bin of {size}" in layers.drawing([long], "surprise", how="mean")[0]["note"]
    )
    zoomed = timelines.note([long], None, (50_000, 50_900))
    assert "tokens 50,001 to 50,900 of 100,003, showing all 900 tokens" in zoomed
    infinite = layers.drawing([long], "momentum", span=(69_500, 70_400))[0]["note"]
    assert "1 infinite values are not drawn" in infinite
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
    facts, arrays = timelines.drawing(traces)
    assert len(arrays) == 3 * len(traces), "of single tokens only their values"
    for row, name in enumerate(timelines.ROWS):
        for run, ds in enumerate(traces):
            np.testing.assert_array_equal(arrays[f"{row}/{run}/value"], aggregate.column(ds, name))
        top = max(aggregate.column(ds, name).max() for ds in traces)
        assert facts["rows"][row] == {
            "title": f"{SIGNALS[name].label.lower()} {SIGNALS[name].symbol}",
            "top": pytest.approx(1.05 * top),
        }
    assert [run["label"] for run in facts["runs"]] == ["MAC", "MAG", "MAL"]
    assert (facts["extent"], facts["size"]) == ([0, traces[0].sizes["token"]], 1)
    assert facts["summary"].startswith("Signals through time. MAC surprise")


def test_timelines_say_what_they_left_out(traces: list[xr.Dataset]) -> None:
    facts, arrays = timelines.drawing(traces[:1], wanted=20)
    low, high = arrays["0/0/low"], arrays["0/0/value"]
    assert len(high) <= 21
    assert (low.min(), high.max()) == tuple(f(aggregate.column(traces[0], "surprise")) for f in (np.min, np.max))
    count = traces[0].sizes["token"]
    assert f"showing all {count:,} tokens" in timelines.note(traces[:1], None)
    assert f"showing {2 * len(high) - 1} of {count}" in facts["note"]
    assert "3 layers" in timelines.note(traces, None)
    assert "layer 2" in timelines.note(traces, 1)


def test_what_is_undefined_is_not_sent_as_a_number(traces: list[xr.Dataset]) -> None:
    values = traces[0]["surprise"].values.copy()
    values[:, 4], values[1, 6] = np.nan, -np.inf
    ds = traces[0].assign(surprise=(("layer", "token"), values))
    cells = layers.drawing([ds], "surprise")[1]["0/value"].reshape(3, -1)
    assert np.isnan(cells[:, 4]).all()
    assert cells[1, 6] == np.inf, "infinite, of whichever sign"
    np.testing.assert_array_equal(cells[:, 10:], values[:, 10:])
    line = timelines.drawing([ds], layer=1)[1]["0/0/value"]
    assert np.isnan(line[4])
    assert line[6] == np.inf
    # In bins what is defined counts; a bin without it has no highest token.
    values[:, 40:80] = np.nan
    ds = traces[0].assign(surprise=(("layer", "token"), values))
    facts, arrays = layers.drawing([ds], "surprise", wanted=20)
    size = facts["size"]
    cells, peaks = (arrays[f"0/{name}"].reshape(3, -1) for name in ("value", "peak"))
    assert cells[1, 6 // size] == np.nanmax(np.where(np.isinf(values), np.nan, values)[1, :size])
    empty = -(-40 // size)
    assert np.isnan(cells[:, empty]).all()
    assert (peaks[:, empty] > ds.sizes["token"]).all()


def started(ds: xr.Dataset, window: int) -> xr.Dataset:
    """The trace with a long text's settling start, whose first surprise is far above all others."""
    config = json.loads(ds.attrs["config"]) | {"window": window}
    values = ds["surprise"].values.copy()
    values[:, 0] = 9 * values.max()
    return ds.assign(surprise=(ds["surprise"].dims, values)).assign_attrs(config=json.dumps(config))


def test_a_start_from_an_empty_memory_does_not_flatten_the_rest(traces: list[xr.Dataset]) -> None:
    ds = started(traces[0], 8)
    values = aggregate.column(ds, "surprise")
    facts, arrays = timelines.drawing([ds])
    assert facts["rows"][0]["top"] == pytest.approx(1.05 * values[8:].max())
    np.testing.assert_array_equal(arrays["0/0/value"], values)
    assert f"starts above the scale: surprise {number(float(values[0]))}" in facts["note"]
    whole, _ = timelines.drawing([started(traces[0], 128)])  # too short a text to leave anything out
    assert whole["rows"][0]["top"] == pytest.approx(1.05 * values[0])
    assert "above the scale" not in whole["note"]


def test_a_known_scale_is_not_read_again(long: xr.Dataset) -> None:
    spans: list[object] = []

    def read(*of: object, **how: object) -> object:
        spans.append(how.get("span"))
        return bins(*of, **how)  # type: ignore[arg-type]

    span = (50_000, 50_900)
    plain, _ = timelines.drawing([long], span=span)
    known = {name: timelines.reach([long], name, None) for name in timelines.ROWS}
    facts, _ = timelines.drawing([long], span=span, read=read, reached=known.__getitem__)
    assert set(spans) == {span}
    assert facts == plain


def test_the_layer_map_draws_the_trace_on_one_scale(traces: list[xr.Dataset]) -> None:
    facts, arrays = layers.drawing(traces, "surprise")
    for run, ds in enumerate(traces):
        np.testing.assert_array_equal(arrays[f"{run}/value"].reshape(3, -1), ds.surprise.values)
    assert [run["label"] for run in facts["runs"]] == ["MAC", "MAG", "MAL"]
    assert facts["runs"][0]["layers"] == ["L1", "L2", "L3"]
    everything = np.concatenate([ds.surprise.values.ravel() for ds in traces])
    np.testing.assert_allclose([facts["low"], facts["high"]], np.percentile(everything, [1, 99]), rtol=1e-6)
    assert number(facts["high"]) in facts["note"]
    assert not facts["signed"]


def test_a_signed_signal_is_centred_at_zero(traces: list[xr.Dataset]) -> None:
    facts, _ = layers.drawing(traces, "alignment")
    assert (facts["low"], facts["high"], facts["signed"]) == (-1, 1, True)


def test_a_signal_that_some_lack_is_drawn_where_it_is(traces: list[xr.Dataset]) -> None:
    assert [run["label"] for run in layers.drawing(traces, "gate")[0]["runs"]] == ["MAG"]
    assert [run["label"] for run in layers.drawing(traces, "share_memory")[0]["runs"]] == ["MAC"]
    facts, arrays = layers.drawing(traces, "nll")
    assert (facts["runs"], arrays) == ([], {})
    assert facts["note"] == "surprisal belongs to the whole model, not to a layer"


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
    figure = plotted(token.moves(traces, 7, LIGHT))
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
    facts, arrays = timelines.drawing([bare])
    np.testing.assert_array_equal(arrays["0/0/value"], bare.nll.values)
    assert "showing all" in facts["note"]
    assert not layers.drawing([bare], "surprise")[0]["runs"]
    assert [row["name"] for row in token.values(bare, 3)] == ["nll", "entropy"]
    assert list(tables.timelines([bare], None)[1]) == ["token", "MAC surprisal", "MAC entropy"]
