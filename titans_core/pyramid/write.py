"""Building the pyramid while a run is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from titans_core.pyramid import layout
from titans_core.pyramid.table import STATISTICS, measure, merge
from titans_core.signals import Arrays
from titans_core.storage import create


class PyramidWriter:
    """The pyramid of a run of `tokens` in the store at `folder`, built in memory that does not grow with the run.

    sizes: tokens per bin of each level, finest first.
    """

    def __init__(self, folder: Path, tokens: int) -> None:
        self.sizes = layout.level_sizes(tokens)
        self._folder, self._tokens = folder, tokens
        self._rest: Arrays = {}  # tokens that do not fill a bin yet
        self._levels: dict[str, _Level] = {}
        self._done = 0

    def add(self, arrays: Arrays) -> None:
        """The next tokens, any number: name -> (layer, t) or (t,). Variables that keep their heads are left out.

        With the last token of the run everything is written.
        """
        count = next(iter(arrays.values())).shape[-1]
        for start in range(0, count, layout.BLOCK):
            for name, values in arrays.items():
                if values.ndim <= 2:
                    self._block(name, values[..., start : start + layout.BLOCK])
            self._done += min(layout.BLOCK, count - start)
        if self._done == self._tokens:
            for name, rest in self._rest.items():
                self._levels[name].add(measure(rest, layout.FIRST, self._tokens - rest.shape[1]), last=True)

    def _block(self, name: str, values: np.ndarray) -> None:
        rows = values[None] if values.ndim == 1 else np.concatenate((values, layout.row_of_all(name, values)))
        rest = self._rest.get(name, rows[:, :0])
        first = self._done - rest.shape[1]
        rows = np.concatenate((rest, rows), 1)
        whole = rows.shape[1] - rows.shape[1] % layout.FIRST
        self._rest[name] = rows[:, whole:].copy()
        if name not in self._levels:
            self._levels[name] = self._create(name, len(rows))
        self._levels[name].add(measure(rows[:, :whole], layout.FIRST, first))

    def _create(self, name: str, rows: int) -> _Level:
        import zarr  # noqa: PLC0415 (only what touches a store loads it)
        from zarr.codecs import BloscCodec, Crc32cCodec  # noqa: PLC0415

        group = zarr.open_group(self._folder, mode="r+").require_group(layout.GROUP)
        level: _Level | None = None
        for size in reversed(self.sizes):
            array = create(
                group.require_group(str(size)),
                name,
                (rows, len(STATISTICS), -(-self._tokens // size)),
                np.dtype(np.float64),
                ("row", "statistic", "bin"),
                chunk=layout.STORED,
                compressors=[BloscCodec(cname="zstd", clevel=5, shuffle="shuffle"), Crc32cCodec()],
            )
            array.attrs.update({"tokens_per_bin": size, "statistics": list(STATISTICS)})
            level = _Level(array, level)
        assert level is not None  # noqa: S101 (there is at least one size)
        return level


class _Level:
    """One level of one variable: bins go to `array` in whole stored chunks, and with that to the level `above`."""

    def __init__(self, array: Any, above: _Level | None) -> None:
        self._array, self._above = array, above
        self._waiting = np.empty((*array.shape[:2], 0))
        self._written = 0

    def add(self, table: np.ndarray, last: bool = False) -> None:
        table = np.concatenate((self._waiting, table), -1)
        count = table.shape[-1] if last else table.shape[-1] - table.shape[-1] % layout.STORED
        self._waiting = table[..., count:].copy()
        if count:
            self._array[..., self._written : self._written + count] = table[..., :count]
            self._written += count
        if self._above is not None and (count or last):
            self._above.add(merge(table[..., :count], layout.FACTOR), last)
