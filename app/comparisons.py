"""What sets two finished runs of one text apart, kept: `titans_core.probes.comparing` by the ids of the runs."""

from __future__ import annotations

import functools
import hashlib
import threading
from dataclasses import replace

import numpy as np

from app import runs
from app.figures import aggregate, scale
from app.jobs import store
from app.theme import SIGNALS
from titans_core.passages import Passage, passages
from titans_core.probes import comparing, pieces
from titans_core.probes.comparing import Agreement


def of_the_same_tokens(shown: list[runs.Run]) -> list[runs.Run]:
    """Those that cut their text into the tokens of the first one."""
    first = shown[0].ds
    return [run for run in shown if all(np.array_equal(first[side], run.ds[side]) for side in ("start", "end"))]


_writing = threading.Lock()


def on_pieces(shown: list[runs.Run]) -> list[runs.Run]:
    """Runs whose tokens differ, written anew on the pieces of the text that they share; kept as other runs are.

    Raises StoreError where a run cannot be read or its copy not be written.
    """
    together = " ".join(run.id for run in shown)
    names = [hashlib.sha256(f"{run.id} of {together}".encode()).hexdigest()[:32] for run in shown]
    with _writing:  # two sessions may ask for the same
        if any(store.facts(name) is None for name in names):
            shared = pieces.common([run.ds for run in shown])
            for k, (run, name) in enumerate(zip(shown, names, strict=True)):
                _write(run, shared, k, name)
    return [run for run in map(runs.opened, names) if run is not None]


def _write(run: runs.Run, shared: pieces.Pieces, which: int, name: str) -> None:
    facts = {key: value for key, value in (store.facts(run.id) or {}).items() if key != "origin"}
    try:
        pieces.rewrite(run.ds, shared, which, store.draft(name) / "trace.zarr")
        store.publish(name, facts | {"tokens": len(shared.start)})
    finally:
        store.discard(name)


def both_have(one: str, other: str, signal: str) -> bool:
    return all(signal in runs.trace(run) for run in (one, other))


@functools.lru_cache(maxsize=96)
def difference(one: str, other: str, signal: str, layer: int | None, ratio: bool) -> np.ndarray:
    """comparing.difference of one signal of two runs, float32 (T,), read-only.

    Raises ConfigError where one of them lacks the signal or the layer, or the texts differ.
    """
    aligned = comparing.align([runs.trace(one), runs.trace(other)], signal, layer)
    values = comparing.difference(*aligned.values, ratio=ratio).astype(np.float32)
    values.flags.writeable = False
    return values


def difference_scale(one: str, other: str, signal: str, layer: int | None, ratio: bool) -> scale.Scale:
    """The colour scale of a difference: as far above zero as below."""
    if not both_have(one, other, signal):
        return scale.Scale(-1.0, 1.0, 0, 0, f"only one of the two runs has {SIGNALS[signal].label.lower()}")
    skip = aggregate.settling(runs.trace(one))
    return scale.centred(difference(one, other, signal, layer, ratio), skip)


@functools.lru_cache(maxsize=96)
def most(one: str, other: str, signal: str, layer: int | None, ratio: bool) -> list[Passage]:
    """The passages in which two runs differ most, the furthest first; value: the signed mean."""
    ds = runs.trace(one)
    values = difference(one, other, signal, layer, ratio)
    spans = ds["start"].values, ds["end"].values
    return comparing.furthest(values, *spans, str(ds.attrs["text"]), skip=aggregate.settling(ds))


@functools.lru_cache(maxsize=96)
def agreement(one: str, other: str, signal: str, layer: int | None) -> Agreement:
    """How far two runs agree on where a signal is high. Raises ConfigError as `difference` does."""
    aligned = comparing.align([runs.trace(one), runs.trace(other)], signal, layer)
    return comparing.agreement(*aligned.values)


@functools.lru_cache(maxsize=96)
def saved(one: str, other: str) -> tuple[list[Passage], list[Passage]]:
    """Where `one` saves most bits of prediction over `other`, and where it loses most; value: the mean, below 0 there.

    Both must have the same tokens. The first token is predicted by none.
    """
    ds = runs.trace(one)
    gain = comparing.won(ds, runs.trace(other))
    spans = ds["start"].values, ds["end"].values
    helped, misled = (passages(sign * gain, *spans, str(ds.attrs["text"]), skip=1) for sign in (1, -1))
    return helped, [replace(p, value=-p.value) for p in misled]


@functools.lru_cache(maxsize=96)
def won(one: str, other: str) -> tuple[float, float, float, int]:
    """Bits of prediction of `one` over `other`: saved in all, of these won and lost, and over how many tokens."""
    gain = comparing.won(runs.trace(one), runs.trace(other))
    gain = gain[np.isfinite(gain)]
    return float(gain.sum()), float(gain[gain > 0].sum()), float(-gain[gain < 0].sum()), len(gain)
