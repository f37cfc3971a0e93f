"""Arrays of a run to its Zarr store, by a thread of its own: the run goes on while a batch is written."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from titans_core import pyramid
from titans_core.pyramid import layout
from titans_core.signals import Arrays
from titans_core.storage import create, dims_of, labels_of, writing

if TYPE_CHECKING:
    import zarr


class Writer:
    """Writes the variables of `total` tokens, and their pyramid, to `folder`, which becomes `store`.

    One batch is written at a time, so a slow disk holds up the run and memory does not grow.
    chunk: tokens per stored chunk. labels: as of a Recording. sizes: tokens a bin of each level of the pyramid; none
    of a short run.
    """

    def __init__(
        self, store: Path, folder: Path, total: int, chunk: int, labels: dict[str, dict[str, str]] | None = None
    ) -> None:
        self._store, self._folder, self._total, self._chunk = store, folder, total, chunk
        self._labels = labels or {}
        self._pyramid = pyramid.PyramidWriter(folder, total) if total >= layout.LONG else None
        self.sizes = self._pyramid.sizes if self._pyramid is not None else []
        self._thread = ThreadPoolExecutor(1, "store")
        self._batch: Future[None] | None = None
        self._rest: list[Arrays] = []  # tokens that fill no stored chunk yet
        self._written = 0

    def write(self, parts: list[Arrays], last: bool) -> None:
        """The next tokens, name -> (layer, [head,] t) or (t,); with the `last` of the run, all is written.

        Raises StoreError where this batch, if it is the last, or the one before could not be written.
        """
        self._wait()
        self._batch = self._thread.submit(self._put, parts, last)
        if last:
            self._wait()
            self.close()

    def close(self) -> None:
        """Write no more; what is being written is ended first, so that its folder does not come back."""
        self._thread.shutdown()

    def _wait(self) -> None:
        batch, self._batch = self._batch, None
        if batch is not None:
            batch.result()

    def _put(self, parts: list[Arrays], last: bool) -> None:
        """In whole stored chunks; the run's last may be short."""
        arrays = concatenated([*self._rest, *parts])
        count = next(iter(arrays.values())).shape[-1]
        size = count if last else count - count % self._chunk
        if size:
            with writing(self._store):
                self._write({name: values[..., :size] for name, values in arrays.items()})
        self._rest = [{name: values[..., size:] for name, values in arrays.items()}]
        self._written += size

    def _write(self, arrays: Arrays) -> None:
        group = self._group(arrays)
        for name, values in arrays.items():
            target: Any = group[name]
            target[..., self._written : self._written + values.shape[-1]] = values
        if self._pyramid is not None:
            self._pyramid.add(arrays)

    def _group(self, arrays: Arrays) -> zarr.Group:
        import zarr  # noqa: PLC0415 (loads when a store is touched)

        if self._folder.exists():
            return zarr.open_group(self._folder, mode="r+")
        group = zarr.create_group(self._folder)
        for name, values in arrays.items():
            shape = (*values.shape[:-1], self._total)
            labels = labels_of(name) | self._labels.get(name, {})
            create(group, name, shape, values.dtype, dims_of(name, values), chunk=self._chunk, labels=labels)
        return group


def concatenated(parts: list[Arrays]) -> Arrays:
    return parts[0] if len(parts) == 1 else {n: np.concatenate([p[n] for p in parts], -1) for n in parts[0]}
