"""The record of a run: an xarray.Dataset in memory, or the same in a Zarr store written as the run goes.

A store holds one array per variable, the token ids and one vocabulary; `piece` is derived on reading. It is written
under a temporary name and renamed when complete, so a store that can be opened is whole. Needs no torch.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from titans_core import moments, pyramid, storage
from titans_core.documents import of_trace
from titans_core.errors import StoreError
from titans_core.signals import BY_HEAD, OUTPUTS, SIGNALS, Arrays
from titans_core.storage import READ_ERRORS, as_path, check_name, create, dims_of, labels_of, writing
from titans_core.writer import Writer, concatenated

CHUNK = 16_384  # tokens per stored chunk
FORMAT = 1
LEVELS = "pyramid_tokens_per_bin"  # the attribute of stores that have one; older ones lack it


@dataclass
class Recording:
    """Collects the slabs of a run of `ids` (T,), whose pieces span start..end (T,) of the text.

    labels: name -> attributes of a variable that are not those of `signals`.
    With a store, arrays go to disk as they fill, while the run goes on; without, they stay in memory. Raises StoreError
    if the store exists or cannot be written: with the next that is added, or at the end.
    """

    ids: np.ndarray
    start: np.ndarray
    end: np.ndarray
    pieces: list[str]
    text: str
    store: Path | None = None
    labels: dict[str, dict[str, str]] = field(default_factory=dict)
    _parts: list[Arrays] = field(default_factory=list)
    _waiting: int = 0
    _writer: Writer | None = None
    _folder: Path | None = None

    def __post_init__(self) -> None:
        if self.store is None:
            return
        check_name(self.store)
        self._folder = self.store.with_name(f".{self.store.name}.{secrets.token_hex(4)}.partial")
        self._writer = Writer(self.store, self._folder, len(self.ids), CHUNK, self.labels)

    def add(self, arrays: Arrays) -> None:
        """The next tokens: name -> (layer, [head,] t) or (t,)."""
        self._parts.append(arrays)
        self._waiting += next(iter(arrays.values())).shape[-1]
        if self._folder is not None and self._waiting >= CHUNK:
            self._hand_over(last=False)

    def _hand_over(self, last: bool) -> None:
        parts, self._parts, self._waiting = self._parts, [], 0
        assert self._writer is not None  # noqa: S101 (there is a store)
        self._writer.write(parts, last)

    def finish(self, attrs: dict[str, Any], found: xr.Dataset | None = None) -> xr.Dataset:
        """The complete Dataset; a store is renamed into place first. found: the memory at moments of the run."""
        if self._folder is None or self.store is None:
            dataset = self._dataset(concatenated(self._parts), attrs)
            moments.attach(dataset, found)
            return dataset
        self._hand_over(last=True)
        with writing(self.store):
            self._write_once(attrs, found)
            os.replace(self._folder, self.store)
        return open_trace(self.store)

    def abandon(self) -> None:
        """Remove what was written of a run that will not finish."""
        if self._writer is not None:
            self._writer.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _dataset(self, arrays: Arrays, attrs: dict[str, Any]) -> xr.Dataset:
        arrays = {**arrays, "id": self.ids.astype(np.int32)}
        labels = {name: labels_of(name) | self.labels.get(name, {}) for name in arrays}
        variables = {name: (dims_of(name, values), values, labels[name]) for name, values in arrays.items()}
        return _with_coordinates(xr.Dataset(variables), self.pieces, self.start, self.end, {**attrs, "text": self.text})

    def _write_once(self, attrs: dict[str, Any], found: xr.Dataset | None) -> None:
        import zarr  # noqa: PLC0415

        group = zarr.open_group(self._folder, mode="r+")
        for name, values in (("id", self.ids.astype(np.int32)), ("start", self.start), ("end", self.end)):
            create(group, name, values.shape, values.dtype, ("token",), chunk=CHUNK, labels=labels_of(name))[:] = values
        for name, text in (("text_utf8", self.text), ("vocabulary_json", json.dumps(self.pieces))):
            data = np.frombuffer(text.encode(), np.uint8)
            create(group, name, data.shape, data.dtype, (name,), chunk=CHUNK)[:] = data
        digest = _digest(self.text, self.ids, self.start, self.end)
        assert self._writer is not None  # noqa: S101 (there is a store)
        levels = {LEVELS: self._writer.sizes} if self._writer.sizes else {}
        if found is not None:
            moments.write(group, found)
        group.attrs.update({**attrs, **levels, "tokens_sha256": digest, "trace_format": FORMAT})


def open_trace(path: str | Path) -> xr.Dataset:
    """Reopen a trace store; variables load when used. Raises StoreError if it is missing, damaged or not a trace."""
    path = as_path(path)
    storage.check_there(path)
    try:
        stored = xr.open_zarr(path, chunks=None, consolidated=False)
        found = stored.attrs.pop("trace_format", None)
        if found is None:
            raise storage.foreign(path, [str(name) for name in stored.variables])
        if found != FORMAT:
            raise StoreError(f"the trace store {path.name} has format {found!r}; this version reads format {FORMAT}")
        levels = stored.attrs.pop(LEVELS, [])
        text = stored["text_utf8"].values.tobytes().decode()
        pieces = json.loads(stored["vocabulary_json"].values.tobytes())
        start, end = stored["start"].values, stored["end"].values
        if _digest(text, stored["id"].values, start, end) != stored.attrs.pop("tokens_sha256"):
            raise StoreError(f"the trace store {path.name} is damaged: its text or tokens have changed")
        kept = stored.drop_vars(["text_utf8", "vocabulary_json", "start", "end"])
        dataset = _with_coordinates(kept, pieces, start, end, {**stored.attrs, "text": text})
        of_trace(dataset.attrs)  # judges them
        pyramid.attach(dataset, path, levels)
        moments.attach(dataset, path)
        return dataset
    except StoreError:
        raise
    except READ_ERRORS as error:
        raise StoreError(f"the trace store {path.name} is damaged or not a trace: {error}") from error


def save_trace(dataset: xr.Dataset, path: str | Path, pieces: list[str]) -> None:
    """Write a Dataset of `trace` to a new store. pieces: the tokenizer's display strings."""
    attrs = {name: value for name, value in dataset.attrs.items() if name != "text"}
    ids, start, end = (dataset[name].values for name in ("id", "start", "end"))
    recording = Recording(ids, start, end, pieces, dataset.attrs["text"], as_path(path))
    recording.add({str(name): v.values for name, v in dataset.data_vars.items() if name != "id"})
    recording.finish(attrs, moments.moments(dataset))


def _with_coordinates(
    dataset: xr.Dataset, pieces: list[str], start: np.ndarray, end: np.ndarray, attrs: dict[str, Any]
) -> xr.Dataset:
    piece = np.array(pieces, dtype=object)[dataset["id"].values]
    coords: dict[str, Any] = {
        "token": np.arange(len(start)),
        # They are strings: fastpath leaves out the search for dates among them, half the time of opening a long trace.
        "piece": xr.Variable("token", piece, {"long_name": "how the token is shown"}, fastpath=True),
        "start": ("token", start, {"long_name": "first character in the text"}),
        "end": ("token", end, {"long_name": "one past the last character in the text"}),
    }
    if "layer" in dataset.dims:
        coords["layer"] = np.arange(dataset.sizes["layer"])
    if "head" in dataset.dims:
        coords["head"] = np.arange(dataset.sizes["head"])
    known = [name for name in (*SIGNALS, *BY_HEAD, *OUTPUTS) if name in dataset]
    dataset = dataset[known].assign_coords(coords)
    dataset.attrs = attrs
    return dataset


def _digest(text: str, *arrays: np.ndarray) -> str:
    whole = hashlib.sha256(text.encode())
    for array in arrays:
        whole.update(np.ascontiguousarray(array, np.int64).tobytes())
    return whole.hexdigest()
