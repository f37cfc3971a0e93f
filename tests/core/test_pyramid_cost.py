"""What the pyramid of a long run costs: little is stored, little is read, and its building needs little memory."""

import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

from titans_core import record
from titans_core.pyramid import PyramidWriter, bins, layout
from titans_core.signals import Arrays, sum_layers

SHAPES = {"surprise": (3,), "loss": (3,), "alignment": (3,), "nll": ()}  # before the tokens


def signals(tokens: int, seed: int) -> Arrays:
    """Random variables of a run."""
    random = np.random.default_rng(seed)
    return {name: random.normal(size=(*shape, tokens)).astype(np.float32) for name, shape in SHAPES.items()}


def write(arrays: Arrays, store: Path, slab: int = 512) -> None:
    """A store of a run that yields `slab` tokens at a time."""
    tokens = arrays["nll"].shape[-1]
    place = np.arange(tokens)
    recording = record.Recording(place % 7, place, place + 1, [*"abcdefg"], "x" * tokens, store)
    for start in range(0, tokens, slab):
        recording.add({name: values[..., start : start + slab] for name, values in arrays.items()})
    recording.finish({"checkpoint": "none"})


@pytest.fixture(scope="module")
def long_run(tmp_path_factory) -> tuple[Arrays, Path, float]:
    """A run of 300,000 tokens in a store, and the seconds of processor time it took to write."""
    arrays, path = signals(300_000, seed=9), tmp_path_factory.mktemp("long") / "run.zarr"
    begun = time.process_time()
    write(arrays, path)
    return arrays, path, time.process_time() - begun


def test_a_pyramid_costs_little(long_run, tmp_path, monkeypatch) -> None:
    arrays, path, seconds = long_run
    monkeypatch.setattr(layout, "LONG", 10**9)
    begun = time.process_time()
    write(arrays, tmp_path / "plain.zarr")
    plain = time.process_time() - begun
    assert not (tmp_path / "plain.zarr" / "pyramid").exists()
    small, large = (sum(f.stat().st_size for f in p.rglob("*")) for p in (tmp_path / "plain.zarr", path))
    print(f"300,000 tokens, {plain:.2f} s and {small:,} bytes; with a pyramid {seconds:.2f} s and {large:,} bytes")
    assert large < 1.08 * small
    assert seconds - plain < 3, "the model takes over a minute for as many tokens"


@pytest.fixture
def reads(monkeypatch) -> list[str]:
    """The names of all files that zarr reads from here on."""
    seen: list[str] = []
    get = zarr.storage.LocalStore.get

    async def counted(self, key, *args, **kwargs):
        seen.append((Path(self.root) / key).as_posix())
        return await get(self, key, *args, **kwargs)

    monkeypatch.setattr(zarr.storage.LocalStore, "get", counted)
    return seen


@pytest.mark.parametrize("layer", [None, 1, "each"])
@pytest.mark.parametrize(
    ("span", "wanted", "width", "chunks"),
    [
        ((0, 300_000), 100, 3_072, 1),
        ((0, 300_000), 1_000, 384, 3),
        ((0, 300_000), 2_000, 256, 3),
        ((100_000, 230_000), 1_000, 256, 2),
        ((100_000, 110_000), 1_000, 10, 1),
        ((120_000, 240_000), 1_000, 120, 8),
        ((299_999, 300_000), 1_000, 1, 1),
    ],
)
def test_little_is_read(span, wanted, width, chunks, layer, long_run, reads) -> None:
    arrays, path, _ = long_run
    dataset = record.open_trace(path)
    reads.clear()
    found = bins(dataset, "surprise", layer=layer, span=span, wanted=wanted)
    assert found.stop[0] - found.start[0] == width
    places = [Path(key).relative_to(path).as_posix() for key in reads]
    data = [place for place in places if not place.endswith("zarr.json")]
    array = "surprise" if width < layout.FIRST else f"pyramid/{1_024 if width >= 1_024 else 128}/surprise"
    assert all(place.startswith(f"{array}/") for place in places)
    assert 1 <= len(data) <= chunks
    assert len(places) - len(data) <= 1, "and one description"
    if layer == 1:
        starts = found.start[:: max(1, len(found.start) // 50)]
        values = arrays["surprise"][1]
        top = [values[a : a + width].max() for a in starts]
        np.testing.assert_array_equal(found.max[:: max(1, len(found.start) // 50)], top)


def test_building_takes_the_same_memory_for_any_length(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(layout, "STORED", 128)

    def peak(tokens: int) -> int:
        zarr.create_group(tmp_path / str(tokens))
        writer = PyramidWriter(tmp_path / str(tokens), tokens)
        values = np.random.default_rng(0).normal(size=(2, 16_384)).astype(np.float32)
        tracemalloc.start()
        for start in range(0, tokens, 16_384):
            writer.add({"loss": values[:, : tokens - start]})
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    peak(200_000)  # what is loaded once
    assert peak(2_400_000) < 1.2 * peak(300_000), "all of its bins are eight times as many"


def test_without_a_pyramid_a_million_tokens_take_a_few_megabytes() -> None:
    values = np.random.default_rng(0).normal(size=(2, 1_000_000)).astype(np.float32)
    dataset = xr.Dataset({"surprise": (("layer", "token"), values)})
    tracemalloc.start()
    found = bins(dataset, "surprise", wanted=1_000)
    assert tracemalloc.get_traced_memory()[1] < 6e6
    tracemalloc.stop()
    whole = sum_layers("surprise", values)
    assert found.max.max() == whole.max()
    assert found.peak[found.max.argmax()] == whole.argmax()
