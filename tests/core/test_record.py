import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

from titans_core import record, slabs, tracing
from titans_core.config import VARIANTS
from titans_core.errors import StoreError
from titans_core.pyramid import layout
from titans_core.signals import BY_HEAD, OUTPUTS, SIGNALS

SHORT = "  Två ord\r\n\tand a 🚀, a NUL \0 and\u00a0spaces at the end.  \n "
LONG = "The keeper walked along the shore. It rained, and the piano stood there all night; nobody came. " * 6
RUN_ATTRS = ("seconds", "created")  # differ between two runs of the same text


def assert_same(a: xr.Dataset, b: xr.Dataset, *, same_run: bool) -> None:
    """Every variable, coordinate and attribute, with order and dtypes, NaN equal to NaN."""
    a, b = a.load().copy(), b.load().copy()
    if not same_run:
        for name in RUN_ATTRS:
            assert type(a.attrs.pop(name)) is type(b.attrs.pop(name))
    xr.testing.assert_identical(a, b)
    assert list(a.data_vars) == list(b.data_vars)
    assert list(a.dims) == list(b.dims)
    assert {n: v.dtype for n, v in a.variables.items()} == {n: v.dtype for n, v in b.variables.items()}
    assert {n: type(v) for n, v in a.attrs.items()} == {n: type(v) for n, v in b.attrs.items()}


@pytest.fixture
def small_chunks(monkeypatch) -> int:
    """Stored chunks of 40 tokens and slabs of 48: flushes of one and of two chunks, with remainders."""
    monkeypatch.setattr(record, "CHUNK", 40)
    monkeypatch.setattr(slabs, "SLAB", 48)
    return 40


@pytest.fixture(scope="module")
def original(tmp_path_factory, tiny_model) -> Path:
    path = tmp_path_factory.mktemp("stores") / "run.zarr"
    tracing.trace(tiny_model("mac"), SHORT, store=path)
    return path


@pytest.fixture
def store(original, tmp_path) -> Path:
    """A copy of a good store, to be damaged."""
    return Path(shutil.copytree(original, tmp_path / "run.zarr"))


@pytest.mark.parametrize(("variant", "heads"), [*((variant, False) for variant in VARIANTS), ("mac", True)])
def test_a_short_run_is_the_same_in_memory_and_in_a_store(variant, heads, tiny_model, tmp_path) -> None:
    model = tiny_model(variant)
    kept = tracing.trace(model, SHORT, heads=heads)
    stored = tracing.trace(model, SHORT, heads=heads, store=tmp_path / "run.zarr")
    assert_same(kept, stored, same_run=False)
    assert_same(stored, record.open_trace(str(tmp_path / "run.zarr")), same_run=True)
    assert kept.attrs["text"] == SHORT


@pytest.mark.parametrize(("variant", "heads"), [("mac", True), ("transformer", False)])
def test_a_run_longer_than_a_stored_chunk_is_the_same(variant, heads, tiny_model, tmp_path, small_chunks) -> None:
    model = tiny_model(variant)
    kept = tracing.trace(model, LONG, heads=heads)
    stored = tracing.trace(model, LONG, heads=heads, store=tmp_path / "run.zarr")
    assert_same(kept, stored, same_run=False)
    size = kept.sizes["token"]
    assert size % small_chunks
    assert size > 4 * small_chunks
    files = [path for path in (tmp_path / "run.zarr" / "nll" / "c").rglob("*") if path.is_file()]
    assert len(files) == -(-size // small_chunks)


@pytest.mark.parametrize("tokens", [40, 41, 80])
def test_lengths_around_a_stored_chunk(tokens, tiny_model, tmp_path, small_chunks) -> None:
    model = tiny_model("transformer")
    text = "a" + " the" * (tokens - 1)
    kept = tracing.trace(model, text)
    assert kept.sizes["token"] == tokens
    assert_same(kept, tracing.trace(model, text, store=tmp_path / "run.zarr"), same_run=False)


def test_while_a_run_is_written_it_cannot_be_taken_for_whole(tiny_model, tmp_path, small_chunks) -> None:
    seen = []

    def progress(done: int, total: int) -> None:
        assert not (tmp_path / "run.zarr").exists()
        seen.extend(os.listdir(tmp_path))

    tracing.trace(tiny_model("transformer"), LONG, store=tmp_path / "run.zarr", progress=progress)
    assert seen, "nothing was written as the run went"
    assert all(name.startswith(".run.zarr.") for name in seen)
    assert os.listdir(tmp_path) == ["run.zarr"]


class Cancelled(Exception):
    pass


@pytest.mark.parametrize(("call", "error"), [(1, KeyboardInterrupt), (3, Cancelled), (-1, Cancelled)])
def test_progress_that_raises_leaves_nothing_behind(call, error, tiny_model, tmp_path, small_chunks) -> None:
    model, calls = tiny_model("transformer"), []

    def progress(done: int, total: int) -> None:
        calls.append((done, total))
        if len(calls) == call or (call == -1 and done == total):
            raise error

    with pytest.raises(error):
        tracing.trace(model, LONG, store=tmp_path / "run.zarr", progress=progress)
    assert os.listdir(tmp_path) == []
    assert len(calls) >= abs(call)
    tracing.trace(model, SHORT, store=tmp_path / "run.zarr")  # and the name is free again
    assert os.listdir(tmp_path) == ["run.zarr"]


def test_a_model_that_fails_leaves_nothing_behind(tiny_model, tmp_path, small_chunks, monkeypatch) -> None:
    model = tiny_model("mac")
    forward, calls = model.forward, iter(range(9))

    def failing(*args, **kwargs):
        if next(calls) == 2:
            raise RuntimeError("out of memory")
        return forward(*args, **kwargs)

    monkeypatch.setattr(model, "forward", failing)
    with pytest.raises(RuntimeError, match="out of memory"):
        tracing.trace(model, LONG, store=tmp_path / "run.zarr")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch])
def test_a_store_that_exists_is_refused_and_kept(make, tiny_model, tmp_path) -> None:
    make(tmp_path / "run.zarr")
    with pytest.raises(StoreError, match=r"run\.zarr exists already; choose another name or remove it"):
        tracing.trace(tiny_model("mac"), SHORT, store=tmp_path / "run.zarr")
    assert os.listdir(tmp_path) == ["run.zarr"]


def test_a_trace_is_never_overwritten(store, tiny_model) -> None:
    before = record.open_trace(store).load()
    with pytest.raises(StoreError):
        tracing.trace(tiny_model("mag"), LONG, store=store)
    assert_same(record.open_trace(store), before, same_run=True)


def test_a_place_below_a_file_is_refused(tiny_model, tmp_path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match=r"cannot write the trace store .*file/run\.zarr"):
        tracing.trace(tiny_model("mac"), SHORT, store=tmp_path / "file" / "run.zarr")
    assert (tmp_path / "file").read_text() == "x"


def test_a_place_that_cannot_be_written_is_refused(tiny_model) -> None:
    with pytest.raises(StoreError, match=r"cannot write the trace store /proc/run\.zarr"):
        tracing.trace(tiny_model("mac"), SHORT, store="/proc/run.zarr")


@pytest.mark.parametrize("place", ["nll", "text_utf8", "run.zarr"])
def test_a_disk_that_fills_up_is_a_store_error(place, tiny_model, tmp_path, monkeypatch) -> None:
    fill_the_disk_at(place, monkeypatch)
    with pytest.raises(StoreError, match="No space left on device"):
        tracing.trace(tiny_model("transformer"), SHORT, store=tmp_path / "run.zarr")
    assert os.listdir(tmp_path) == []


def test_a_disk_that_fills_up_at_the_pyramid_is_a_store_error(tiny_model, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(layout, "LONG", 1)
    fill_the_disk_at("pyramid", monkeypatch)
    with pytest.raises(StoreError, match="No space left on device"):
        tracing.trace(tiny_model("transformer"), SHORT, store=tmp_path / "run.zarr")
    assert os.listdir(tmp_path) == []


def fill_the_disk_at(place: str, monkeypatch) -> None:
    """Renaming to a chunk of the array `place`, or to the store of that name, fails as on a full disk."""
    replace = os.replace

    def full(source, target) -> None:
        if Path(target).name == place or (place in Path(target).parts and "c" in Path(target).parts):
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)


@pytest.mark.parametrize("name", ["x" * 300, "x" * 230, "é" * 120, "a\0b"])
def test_a_name_that_no_file_can_have_is_a_store_error(name, tiny_model, tmp_path) -> None:
    with pytest.raises(StoreError):
        tracing.trace(tiny_model("mac"), SHORT, store=tmp_path / name)


def test_a_missing_store_is_named(tmp_path) -> None:
    made = r"`titans trace FILE --checkpoint mag --out none\.zarr` makes one"
    with pytest.raises(StoreError, match=rf"there is no trace store at none\.zarr; {made}"):
        record.open_trace(tmp_path / "none.zarr")
    (tmp_path / "file.zarr").write_text("x")
    with pytest.raises(StoreError, match=r"there is no trace store at file\.zarr"):
        record.open_trace(tmp_path / "file.zarr")


def test_a_folder_that_is_no_trace_is_refused_by_what_it_is(tmp_path) -> None:
    (tmp_path / "new.zarr").mkdir()
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "file.txt").touch()
    zarr.create_group(tmp_path / "empty.zarr")
    zarr.create_group(tmp_path / "other.zarr").create_array("x", shape=(2,), dtype="i4", dimension_names=("a",))
    for name, what in {
        "new.zarr": "is an empty folder, not a trace",
        "notes": "is a folder without a store, not a trace",
        "empty.zarr": "is a Zarr store but not a trace: it is empty",
        "other.zarr": "is a Zarr store but not a trace: it holds x",
    }.items():
        with pytest.raises(StoreError) as refused:
            record.open_trace(tmp_path / name)
        assert str(refused.value) == f"{name} {what}; `titans trace FILE --checkpoint mag --out RUN.zarr` makes one"


def test_another_format_is_refused(store) -> None:
    zarr.open_group(store, mode="r+").attrs["trace_format"] = 2
    with pytest.raises(StoreError, match="has format 2; this version reads format 1"):
        record.open_trace(store)


@pytest.mark.parametrize("name", ["id", "start", "end", "text_utf8", "vocabulary_json"])
def test_a_trace_without_a_needed_array_is_refused(store, name) -> None:
    shutil.rmtree(store / name)
    with pytest.raises(StoreError, match=r"run\.zarr is damaged or not a trace"):
        record.open_trace(store)


DAMAGES = {
    "empty": lambda data: b"",
    "half": lambda data: data[: len(data) // 2],
    "noise": lambda data: bytes(b ^ 0x5A for b in data),
    "object": lambda data: b"{}",
    "list": lambda data: b"[]",
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("file", ["zarr.json", "id/zarr.json", "text_utf8/zarr.json"])
def test_damaged_metadata_are_a_store_error(store, file, damage) -> None:
    path = store / file
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    with pytest.raises(StoreError, match=r"run\.zarr"):
        record.open_trace(store)


@pytest.mark.parametrize("damage", ["empty", "half", "noise"])
@pytest.mark.parametrize("name", ["id", "text_utf8", "vocabulary_json", "start"])
def test_damaged_text_or_ids_are_a_store_error(store, name, damage) -> None:
    path = next(p for p in (store / name / "c").rglob("*") if p.is_file())
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    with pytest.raises(StoreError, match=r"run\.zarr is damaged"):
        record.open_trace(store)


@pytest.mark.parametrize("name", ["id", "end", "text_utf8"])
def test_a_missing_chunk_is_a_store_error(store, name) -> None:
    shutil.rmtree(store / name / "c")
    with pytest.raises(StoreError, match=r"run\.zarr is damaged"):
        record.open_trace(store)


def test_reopening_needs_no_torch(store) -> None:
    code = (
        "import sys, titans_core as tc; ds = tc.open_trace(sys.argv[1]).load();"
        "print(ds.sizes['token'], sorted(m for m in ('torch', 'tokenizers', 'streamlit') if m in sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code, str(store)], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == f"{record.open_trace(store).sizes['token']} []"


@pytest.mark.parametrize("heads", [False, True])
def test_a_dataset_in_memory_can_be_saved(heads, tiny_model, tokenizer, tmp_path) -> None:
    kept = tracing.trace(tiny_model("mag"), LONG, heads=heads)
    record.save_trace(kept, tmp_path / "run.zarr", tokenizer.pieces)
    assert_same(kept, record.open_trace(tmp_path / "run.zarr"), same_run=True)
    with pytest.raises(StoreError, match="exists already"):
        record.save_trace(kept, tmp_path / "run.zarr", tokenizer.pieces)


def test_a_reopened_trace_can_be_saved_elsewhere(store, tokenizer, tmp_path) -> None:
    record.save_trace(record.open_trace(store), str(tmp_path / "copy.zarr"), tokenizer.pieces)
    assert_same(record.open_trace(store), record.open_trace(tmp_path / "copy.zarr"), same_run=True)


def test_every_variable_labels_itself(store) -> None:
    dataset = record.open_trace(store)
    for name, variable in dataset.data_vars.items():
        assert variable.attrs == (SIGNALS | BY_HEAD | OUTPUTS)[name].attrs()
        assert set(variable.attrs) == {"long_name", "units", "source", "granularity"}
    assert dataset["piece"].attrs["long_name"]
    assert dataset["start"].attrs["long_name"]
    assert dataset["end"].attrs["long_name"]


def test_a_store_holds_one_vocabulary_and_plain_json_attributes(store) -> None:
    group = zarr.open_group(store, mode="r")
    assert "piece" not in group
    vocabulary = json.loads(np.asarray(group["vocabulary_json"]).tobytes())
    assert len(vocabulary) == 4096
    assert json.loads(json.dumps(dict(group.attrs), allow_nan=False)) == dict(group.attrs)
