"""A store is written while the run goes on; what goes wrong there is told, and nothing is left behind."""

import threading

import numpy as np
import pytest

from titans_core import record, tracing
from titans_core.errors import StoreError
from titans_core.writer import Writer


def arrays(first: int, count: int) -> dict[str, np.ndarray]:
    values = np.arange(first, first + count, dtype=np.float32)
    return {"memory": np.stack((values, -values)), "nll": values}


def test_a_batch_is_written_while_the_next_is_collected(tmp_path, monkeypatch) -> None:
    go, began = threading.Event(), threading.Event()
    put = Writer._put

    def slow(self, parts, last) -> None:
        began.set()
        assert go.wait(10)
        put(self, parts, last)

    monkeypatch.setattr(Writer, "_put", slow)
    here = Writer(tmp_path / "a", tmp_path / "b", 20, 8)
    here.write([arrays(0, 5), arrays(5, 6)], last=False)
    assert began.wait(10), "it did not wait for the write"
    go.set()
    here.write([arrays(11, 9)], last=True)
    import zarr

    group = zarr.open_group(tmp_path / "b", mode="r")
    for name, values in arrays(0, 20).items():
        np.testing.assert_array_equal(group[name][...], values)


def test_a_disk_that_fails_midway_ends_the_run_and_leaves_nothing(tiny_model, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(record, "CHUNK", 512)
    done: list[int] = []

    def full(self, arrays) -> None:
        done.append(1)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Writer, "_write", full)
    with pytest.raises(StoreError, match="No space left"):
        tracing.trace(tiny_model("lmm"), "It rained, and it rained on. " * 400, store=tmp_path / "run.zarr")
    assert len(done) == 1, "found at the batch after"
    assert list(tmp_path.iterdir()) == []


def test_cancelling_waits_for_what_is_being_written(tiny_model, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(record, "CHUNK", 512)

    def cancel(done: int, total: int) -> None:
        if done > 1024:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tracing.trace(tiny_model("lmm"), "It rained on. " * 800, store=tmp_path / "run.zarr", progress=cancel)
    assert list(tmp_path.iterdir()) == []
    assert not [t for t in threading.enumerate() if t.name.startswith("store")]
