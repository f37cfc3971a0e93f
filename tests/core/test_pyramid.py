"""The pyramid of a long run: what is stored equals what a plain loop finds, and little is read."""

import math
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

from titans_core import record, tracing
from titans_core.errors import ConfigError, StoreError
from titans_core.pyramid import Bins, bins, layout
from titans_core.pyramid.table import STATISTICS
from titans_core.signals import Arrays, sum_layers

NAMES = ("surprise", "loss", "alignment", "nll")  # over layers: root of squares, sum, mean; and one without layers
FIELDS = ("min", "mean", "max", "peak", "finite", "infinite")


def signals(tokens: int, seed: int, layers: int = 3, odd: float = 0.0) -> Arrays:
    """Random variables of a run. odd: how many of the values are NaN, and how many are infinite."""
    random = np.random.default_rng(seed)
    arrays: Arrays = {}
    for name in NAMES:
        shape = (tokens,) if name == "nll" else (layers, tokens)
        values = random.normal(size=shape).astype(np.float32)
        chance = random.random(shape)
        values[chance < odd] = np.nan
        values[chance > 1 - odd] = np.inf
        values[(chance > 1 - odd) & (random.random(shape) < 0.2)] = -np.inf
        values[..., tokens // 3 : tokens // 2] = np.where(odd > 0, np.nan, values[..., tokens // 3 : tokens // 2])
        arrays[name] = values
    return arrays


def write(arrays: Arrays, store: Path, slab: int = 512) -> xr.Dataset:
    """A store of a run that yields `slab` tokens at a time."""
    tokens = arrays["nll"].shape[-1]
    place = np.arange(tokens)
    recording = record.Recording(place % 7, place, place + 1, [*"abcdefg"], "x" * tokens, store)
    for start in range(0, tokens, slab):
        recording.add({name: values[..., start : start + slab] for name, values in arrays.items()})
    return recording.finish({"checkpoint": "none"})


def rows_of(arrays: Arrays, name: str) -> np.ndarray:
    """What the rows of a stored array are of: (layers and all together, or 1; tokens)."""
    values = arrays[name]
    if values.ndim == 1:
        return values[None]
    with np.errstate(all="ignore"):
        return np.concatenate((values, sum_layers(name, values)[None]))


def by_hand(values: np.ndarray, low: int, high: int) -> tuple[float, float, float, int, int, int]:
    """min, mean, max, peak, finite and infinite of values[low:high], one value at a time."""
    kept = [(float(v), low + i) for i, v in enumerate(values[low:high]) if math.isfinite(v)]
    infinite = sum(math.isinf(v) for v in values[low:high])
    if not kept:
        return math.nan, math.nan, math.nan, -1, 0, infinite
    numbers = [v for v, _ in kept]
    peak = next(place for v, place in kept if v == max(numbers))
    return min(numbers), math.fsum(numbers) / len(numbers), max(numbers), peak, len(numbers), infinite


def assert_by_hand(found: Bins, values: np.ndarray) -> None:
    """Everything but the mean to the bit; the mean to rounding in float64."""
    expected = np.array([by_hand(values, a, b) for a, b in zip(found.start, found.stop, strict=True)]).T
    for field, want in zip(FIELDS, expected, strict=True):
        got = getattr(found, field)
        if field == "mean":
            np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-13, equal_nan=True)
        else:
            np.testing.assert_array_equal(got, want, err_msg=field)


def assert_covers(found: Bins, low: int, high: int, total: int, wanted: int) -> None:
    """One bin after the other, of one width, over the span and less than a bin beyond it."""
    assert 1 <= len(found.start) <= wanted + 1
    assert found.start[0] <= low
    assert found.stop[-1] >= high
    np.testing.assert_array_equal(found.start[1:], found.stop[:-1])
    width = found.stop[0] - found.start[0]
    assert (found.start % width == 0).all() or len(found.start) == 1
    assert (np.diff(found.start) == width).all()
    assert found.stop[0] > low
    assert found.start[-1] < high
    assert found.stop[-1] <= total


@pytest.fixture
def small(monkeypatch) -> None:
    """Bins of 4, 8, 16 ... tokens, 8 a stored chunk, tokens in chunks of 42 measured 23 at a time, from 1 token on.

    Chunks and blocks are no multiples of a bin, so that bins begin in one and end in the next.
    """
    for name, value in {"LONG": 1, "FIRST": 4, "FACTOR": 2, "STORED": 8, "BLOCK": 23}.items():
        monkeypatch.setattr(layout, name, value)
    monkeypatch.setattr(record, "CHUNK", 42)


@pytest.mark.parametrize("odd", [0.0, 0.15])
@pytest.mark.parametrize(
    ("tokens", "slab"), [(1, 1), (3, 2), (4, 4), (5, 1), (31, 7), (32, 40), (33, 48), (64, 64), (257, 13), (1000, 1000)]
)
def test_every_stored_bin_is_what_a_loop_finds(tokens, slab, odd, tmp_path, small) -> None:
    arrays = signals(tokens, seed=tokens, odd=odd)
    write(arrays, tmp_path / "run.zarr", slab)
    sizes = zarr.open_group(tmp_path / "run.zarr", mode="r").attrs[record.LEVELS]
    assert sizes == [4 * 2**level for level in range(len(sizes))]
    assert -(-tokens // sizes[-1]) <= 8, "the last level fits in one chunk"
    for size in sizes:
        group = zarr.open_group(tmp_path / "run.zarr" / "pyramid" / str(size), mode="r")
        assert set(group.array_keys()) == set(NAMES)
        for name in NAMES:
            stored, rows = np.asarray(group[name]), rows_of(arrays, name)
            assert stored.shape == (len(rows), len(STATISTICS), -(-tokens // size))
            for table, values in zip(stored, rows, strict=True):
                starts = np.arange(0, tokens, size)
                peak = np.where(np.isnan(table[3]), -1, table[3])
                assert_by_hand(Bins(starts, np.minimum(starts + size, tokens), *table[:3], peak, *table[4:]), values)


@pytest.mark.parametrize("tokens", [2, 37, 200, 1003])
def test_any_zoom_equals_a_loop_over_the_values(tokens, tmp_path, small) -> None:
    arrays = signals(tokens, seed=tokens, odd=0.1)
    stored = write(arrays, tmp_path / "run.zarr", slab=29)
    loaded = stored.copy(deep=True).load()
    random = np.random.default_rng(tokens)
    for _ in range(15):
        low, high = sorted(random.choice(tokens + 1, 2, replace=False).tolist())
        wanted = int(random.choice([1, 2, 5, 17, 64, 5000]))
        for name in random.choice(NAMES, 2, replace=False).tolist():
            rows = rows_of(arrays, name)
            for layer in (0, -1, np.int64(1), None):
                found = bins(stored, name, layer=layer, span=(low, high), wanted=wanted)
                assert_covers(found, low, high, tokens, wanted)
                row = len(rows) - 1 if layer is None or len(rows) == 1 else range(3)[layer]
                assert_by_hand(found, rows[row])
                assert_by_hand(bins(loaded, name, layer=layer, span=(low, high), wanted=wanted), rows[row])
            each = bins(stored, name, layer="each", span=(low, high), wanted=wanted)
            assert each.max.shape == (max(1, len(rows) - 1), len(each.start))
            for row in range(len(each.max)):
                assert_by_hand(Bins(*each[:2], *(field[row] for field in each[2:])), rows[row])


def test_a_short_span_is_the_tokens_themselves(tmp_path, small) -> None:
    arrays = signals(500, seed=1)
    found = bins(write(arrays, tmp_path / "run.zarr"), "surprise", layer=1, span=(210, 260), wanted=50)
    np.testing.assert_array_equal(found.start, np.arange(210, 260))
    np.testing.assert_array_equal(found.stop, np.arange(211, 261))
    for field in (found.min, found.mean, found.max):
        np.testing.assert_array_equal(field, arrays["surprise"][1, 210:260])


def test_infinite_and_undefined_values_stay_visible(tmp_path, small) -> None:
    arrays = signals(96, seed=3)
    arrays["surprise"][1, 33:36] = (np.inf, np.nan, -np.inf)
    dataset = write(arrays, tmp_path / "run.zarr")
    one = bins(dataset, "surprise", layer=1, wanted=3)
    np.testing.assert_array_equal(one.infinite, [0, 2, 0])
    np.testing.assert_array_equal(one.stop - one.start - one.finite - one.infinite, [0, 1, 0])
    assert np.isfinite([one.min, one.mean, one.max]).all()
    # in all layers together an undefined layer is left out, an infinite one makes the sum of squares infinite
    np.testing.assert_array_equal(bins(dataset, "surprise", wanted=3).infinite, [0, 2, 0])


def test_short_runs_have_none_and_read_alike(tmp_path) -> None:
    arrays = signals(2_000, seed=4)
    dataset = write(arrays, tmp_path / "run.zarr")
    assert not (tmp_path / "run.zarr" / "pyramid").exists()
    for wanted in (3, 10, 3_000):
        assert_by_hand(bins(dataset, "alignment", layer=2, wanted=wanted), arrays["alignment"][2])


def test_older_stores_open_and_read(tmp_path, small, monkeypatch) -> None:
    arrays = signals(700, seed=5)
    new = write(arrays, tmp_path / "new.zarr")
    monkeypatch.setattr(layout, "LONG", 10**9)
    old = write(arrays, tmp_path / "old.zarr")
    attrs = [dict(zarr.open_group(tmp_path / name, mode="r").attrs) for name in ("new.zarr", "old.zarr")]
    assert attrs[0].pop(record.LEVELS)
    assert attrs[0] == attrs[1]
    assert attrs[1]["trace_format"] == 1
    xr.testing.assert_identical(new, old)
    for a, b in zip(bins(new, "loss", wanted=20), bins(old, "loss", wanted=20), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


CHANGES: dict[str, Callable[[xr.Dataset], xr.Dataset]] = {
    "part of the tokens": lambda ds: ds.isel(token=slice(100, 612)),
    "its first tokens": lambda ds: ds.isel(token=slice(0, 650)),
    "tokens backwards": lambda ds: ds.isel(token=slice(None, None, -1)),
    "tokens shuffled": lambda ds: ds.isel(token=np.r_[0, 698:0:-1, 699]),
    "layers backwards": lambda ds: ds.isel(layer=[2, 1, 0]),
    "doubled": lambda ds: ds * 2,
    "one doubled": lambda ds: ds.assign(loss=ds["loss"] * 2),
    "another name": lambda ds: ds.rename(loss="surprise", surprise="loss"),
    "transposed": lambda ds: ds.transpose("token", "layer"),
    "no coordinates": lambda ds: ds.drop_vars(["token", "layer"]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_bins_are_of_the_dataset_in_hand(change, tmp_path, small) -> None:
    dataset = CHANGES[change](write(signals(700, seed=6), tmp_path / "run.zarr"))
    found = {layer: bins(dataset, "loss", layer=layer, wanted=20) for layer in (0, None)}
    values = dataset["loss"].transpose("layer", "token").values
    assert_by_hand(found[0], values[0])
    assert_by_hand(found[None], sum_layers("loss", values))


def test_a_loaded_trace_that_is_changed_in_place_is_seen(tmp_path, small) -> None:
    dataset = write(signals(700, seed=6), tmp_path / "run.zarr").load()
    dataset["loss"].values[1, 300] = 99
    found = bins(dataset, "loss", layer=1, wanted=20)
    assert found.max.max() == 99
    assert found.peak[found.max.argmax()] == 300


def test_a_store_moves_and_a_trace_is_copied(tmp_path, small, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    arrays = signals(700, seed=7)
    write(arrays, Path("run.zarr")).to_zarr("plain.zarr", consolidated=False)
    shutil.move("run.zarr", "other.zarr")
    dataset = record.open_trace("other.zarr")
    assert_by_hand(bins(dataset, "nll", wanted=20), arrays["nll"])
    record.save_trace(dataset, "again.zarr", [*"abcdefg"])
    monkeypatch.chdir("/")
    again = record.open_trace(tmp_path / "again.zarr")
    assert (tmp_path / "again.zarr" / "pyramid" / "16" / "nll").is_dir()
    assert_by_hand(bins(again, "nll", wanted=20), arrays["nll"])


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "half": lambda data: data[: len(data) // 2],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_chunk_is_named(damage, tmp_path, small) -> None:
    dataset = write(signals(700, seed=8), tmp_path / "run.zarr")
    chunk = tmp_path / "run.zarr" / "pyramid" / "32" / "loss" / "c" / "0" / "0" / "1"
    chunk.write_bytes(DAMAGES[damage](chunk.read_bytes()))
    with pytest.raises(StoreError, match=r"run\.zarr is damaged: pyramid/32/loss cannot be read"):
        bins(dataset, "loss", wanted=20)
    bins(dataset, "surprise", wanted=20)


def test_one_wrong_bit_is_found_wherever_it_is(tmp_path, small) -> None:
    dataset = write(signals(700, seed=8), tmp_path / "run.zarr")
    chunk = tmp_path / "run.zarr" / "pyramid" / "32" / "loss" / "c" / "0" / "0" / "1"
    data = chunk.read_bytes()
    for place in range(0, len(data), 29):
        chunk.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises(StoreError, match=r"run\.zarr is damaged: pyramid/32/loss"):
            bins(dataset, "loss", wanted=20)
    chunk.write_bytes(data)
    bins(dataset, "loss", wanted=20)


@pytest.mark.parametrize("part", ["pyramid", "pyramid/32", "pyramid/32/loss", "pyramid/32/loss/zarr.json"])
def test_a_missing_array_is_named(part, tmp_path, small) -> None:
    write(signals(700, seed=8), tmp_path / "run.zarr")
    path = tmp_path / "run.zarr" / part
    path.unlink() if path.is_file() else shutil.rmtree(path)
    dataset = record.open_trace(tmp_path / "run.zarr")
    with pytest.raises(StoreError, match=r"run\.zarr is damaged: pyramid/32/loss cannot be read"):
        bins(dataset, "loss", wanted=20)


def test_a_missing_chunk_is_named(tmp_path, small) -> None:
    dataset = write(signals(700, seed=8), tmp_path / "run.zarr")
    (tmp_path / "run.zarr" / "pyramid" / "32" / "loss" / "c" / "0" / "0" / "1").unlink()
    with pytest.raises(StoreError, match=r"pyramid/32/loss lacks a stored chunk"):
        bins(dataset, "loss", wanted=20)


def test_an_array_of_another_shape_is_refused(tmp_path, small) -> None:
    dataset = write(signals(700, seed=8), tmp_path / "run.zarr")
    place = tmp_path / "run.zarr" / "pyramid" / "32"
    shutil.rmtree(place / "loss")
    shutil.copytree(place / "nll", place / "loss")
    with pytest.raises(StoreError, match=r"pyramid/32/loss has shape \(1, 6, 22\)"):
        bins(dataset, "loss", wanted=20)


@pytest.mark.parametrize("sizes", ["128", [128, "1024"], [1024, 128], [0], [True, 4], {"a": 1}, None])
def test_levels_that_are_none_are_refused(sizes, tmp_path, small) -> None:
    write(signals(50, seed=8), tmp_path / "run.zarr")
    zarr.open_group(tmp_path / "run.zarr", mode="r+").attrs[record.LEVELS] = sizes
    with pytest.raises(StoreError, match=r"run\.zarr is damaged: its pyramid has the levels"):
        record.open_trace(tmp_path / "run.zarr")


def test_what_cannot_be_asked_for(tmp_path, small) -> None:
    dataset = write(signals(50, seed=8), tmp_path / "run.zarr")
    for span, wanted in (((-1, 4), 3), ((4, 4), 3), ((9, 4), 3), ((0, 51), 3), ((0, 50), 0)):
        with pytest.raises(ConfigError, match="of a span in 0 to 50"):
            bins(dataset, "loss", span=span, wanted=wanted)
    for layer in (3, -4):
        for given in (dataset, dataset.load()):
            with pytest.raises(IndexError, match=f"no layer {layer}; choose one of 0 to 2"):
                bins(given, "loss", layer=layer, wanted=2)
    with pytest.raises(KeyError):
        bins(dataset, "eta")


def test_a_run_that_goes_on_from_a_state_has_its_own(tiny_model, tmp_path, small) -> None:
    model = tiny_model("mac")
    text = "The keeper walked along the shore. " * 20
    begun = tracing.run(model, text)
    dataset = tracing.trace(model, text, state=begun.state, store=tmp_path / "run.zarr")
    assert np.isfinite(dataset["nll"].values[0]), "it does go on"
    reopened = record.open_trace(tmp_path / "run.zarr")
    assert set(zarr.open_group(tmp_path / "run.zarr" / "pyramid" / "4", mode="r").array_keys()) == {
        str(name) for name, variable in reopened.data_vars.items() if "head" not in variable.dims
    } - {"id"}
    for name in ("surprise", "eta", "alignment", "nll"):
        found = bins(reopened, name, wanted=9)
        values = dataset[name].values
        assert_by_hand(found, values if name == "nll" else sum_layers(name, values))
    assert bins(reopened, "id", wanted=9).max.max() == dataset["id"].values.max()


def test_heads_are_chosen_first(tiny_model, tmp_path, small) -> None:
    dataset = tracing.trace(tiny_model("mag"), "It rained all night. " * 20, heads=True, store=tmp_path / "run.zarr")
    assert set(zarr.open_group(tmp_path / "run.zarr" / "pyramid" / "4", mode="r").array_keys()) == {"nll", "entropy"}
    with pytest.raises(ConfigError, match=r"surprise keeps its heads apart"):
        bins(dataset, "surprise")
    found = bins(dataset.isel(head=1), "surprise", layer=0, wanted=9)
    assert_by_hand(found, dataset["surprise"].values[0, 1])
