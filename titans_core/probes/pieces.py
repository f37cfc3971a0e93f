"""Runs of one text whose tokens differ, on the pieces that all have: the text between any two borders of tokens.

A piece lies in one token of every run and has its value; bits of prediction add up over a text and are divided over the
characters of their token. So written, runs of different tokenizers can be looked at side by side, like any others.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr

from titans_core.record import CHUNK, Recording
from titans_core.signals import MARK, Arrays
from titans_core.tokenizer import display

ADDED = ("nll", "entropy")  # bits of a token are the sum of those of its characters


class Pieces(NamedTuple):
    """start, end (n,): the characters of each piece. token (runs, n): the token of each run that it lies in."""

    start: np.ndarray
    end: np.ndarray
    token: np.ndarray


def common(datasets: Sequence[xr.Dataset]) -> Pieces:
    """The pieces of runs of one text. Of tokens that share a character, its bytes, the last one counts."""
    spans = [ds[side].values for ds in datasets for side in ("start", "end")]
    borders = np.unique(np.concatenate(spans))
    start, end = borders[:-1], borders[1:]
    token = [np.searchsorted(ds["start"].values, start, side="right") - 1 for ds in datasets]
    return Pieces(start, end, np.stack(token))


def per_character(values: np.ndarray, start: np.ndarray, end: np.ndarray, length: int) -> np.ndarray:
    """(T,) bits of tokens to (length,): those of each character of the text, which have the same sum."""
    counts = end - start
    places = np.repeat(start - (counts.cumsum() - counts), counts) + np.arange(counts.sum())
    found = np.zeros(length)
    np.add.at(found, places, np.repeat(values / np.maximum(counts, 1), counts))
    return found


def rewrite(ds: xr.Dataset, pieces: Pieces, run: int, store: Path) -> None:
    """Write a trace of run number `run` of `common` anew, with pieces for tokens. Raises StoreError as `trace` does.

    What the memory held at moments of the run is left out: those count tokens.
    """
    text = str(ds.attrs["text"])
    shown, ids = _shown(text, pieces)
    labels = {str(name): dict(ds[name].attrs) for name in ds.data_vars}  # of a foreign model they may be its own
    recording = Recording(ids, pieces.start, pieces.end, shown, text, store, labels)
    bits = {name: _bits(ds, name, pieces, len(text)) for name in ADDED if name in ds}
    try:
        for low in range(0, len(ids), CHUNK):
            part = slice(low, low + CHUNK)
            recording.add(
                _repeated(ds, pieces.token[run, part]) | {name: values[part] for name, values in bits.items()}
            )
        attrs = {name: value for name, value in ds.attrs.items() if name != "text"}
        recording.finish(attrs | {MARK: ds.sizes["token"]})
    except BaseException:
        recording.abandon()
        raise


def _shown(text: str, pieces: Pieces) -> tuple[list[str], np.ndarray]:
    """The distinct pieces as they are shown, and which of them each piece is."""
    spans = [text[a:b] for a, b in zip(pieces.start.tolist(), pieces.end.tolist(), strict=True)]
    distinct = {span: k for k, span in enumerate(dict.fromkeys(spans))}
    ids = np.array([distinct[span] for span in spans], np.int32)
    return [display(span.encode()) for span in distinct], ids


def _bits(ds: xr.Dataset, name: str, pieces: Pieces, length: int) -> np.ndarray:
    each = per_character(ds[name].values.astype(np.float64), ds["start"].values, ds["end"].values, length)
    return np.add.reduceat(each, pieces.start).astype(ds[name].dtype)


def _repeated(ds: xr.Dataset, token: np.ndarray) -> Arrays:
    """Of every other variable the values of these tokens, which ascend."""
    near = ds.isel(token=slice(int(token[0]), int(token[-1]) + 1))
    names = [str(name) for name in near.data_vars if name not in (*ADDED, "id")]
    return {name: near[name].values[..., token - token[0]] for name in names}
