"""Finished runs, opened lazily and kept: the only caches of the app."""

from __future__ import annotations

import atexit
import functools
import hashlib
import threading
from dataclasses import dataclass

import numpy as np
import xarray as xr

import titans_core as tc
from app.figures import aggregate, scale
from app.jobs import Engine, Job, Progress
from app.jobs.local import LocalEngine
from titans_core.errors import TitansError
from titans_core.tokenizer import Tokenizer

# Used by the cost line until this server has measured a run itself.
TYPICAL_SPEED = {"cpu": 2_500.0, "cuda": 20_000.0}  # tokens a second
TYPICAL_WEIGHT = 220.0  # stored bytes a token


@functools.cache
def _local() -> LocalEngine:
    engine = LocalEngine()
    atexit.register(engine.close)
    return engine


def warm_up() -> None:
    """Start the worker before anybody asks for a run."""
    _local().start()


def shut_down() -> None:
    _local().close()


def engine() -> Engine:
    """The engine of this server, shared by all its sessions."""
    return _local()


_first_lock = threading.Lock()
_first: dict[str, str] = {}


def shared_run(job: Job) -> str:
    """The id of a run of one of the samples, started once per server: every newcomer sees the same one."""
    key = hashlib.sha256(repr(job).encode()).hexdigest()
    with _first_lock:
        at = engine().progress(_first[key]) if key in _first else None
        if at is None or at.state in ("failed", "cancelled"):
            _first[key] = engine().submit(job)
        return _first[key]


@dataclass(frozen=True)
class Run:
    """A finished run and its trace (values are read from disk when touched)."""

    id: str
    title: str
    ds: xr.Dataset

    @property
    def checkpoint(self) -> str:
        return str(self.ds.attrs["checkpoint"])


@functools.lru_cache(maxsize=48)
def _open(run: str) -> Run:
    at, path = engine().progress(run), engine().result(run)
    if at is None or path is None:
        raise KeyError(run)
    return Run(run, at.title, tc.open_trace(path))


def opened(run: str) -> Run | None:
    """The finished run `run`, or None where it is unknown, expired or still going.

    Raises StoreError where its trace is damaged or of another version.
    """
    if engine().result(run) is None:
        return None
    return _open(run)


@functools.lru_cache(maxsize=96)
def column(run: str, signal: str, layer: int | None) -> np.ndarray:
    """aggregate.column of a run; read-only float32 (T,). Raises KeyError for an unknown run or signal."""
    values = aggregate.column(_open(run).ds, signal, layer)
    values.flags.writeable = False
    return values


@functools.lru_cache(maxsize=96)
def shared_scale(runs: tuple[str, ...], signal: str, layer: int | None) -> scale.Scale:
    """The colour scale of one signal over all of `runs` that have it."""
    columns = [column(run, signal, layer) for run in runs if signal in _open(run).ds]
    return scale.shared(columns, signal, skip=aggregate.settling(_open(runs[0]).ds))


@functools.cache
def tokenizer() -> Tokenizer:
    return Tokenizer.load()


@functools.lru_cache(maxsize=16)
def count_tokens(text: str) -> int | None:
    """How many tokens a text has; None where it cannot be tokenized."""
    try:
        return len(tokenizer().encode(text))
    except TitansError:
        return None


@dataclass(frozen=True)
class Cost:
    """What a run will take: seconds, stored bytes, and whether this server has measured it itself."""

    seconds: float
    bytes: float
    measured: bool


def cost(tokens: int, checkpoints: tuple[str, ...], device: str) -> Cost:
    """Estimate for one text through several checkpoints, one after the other."""
    speeds = [_local().speed(name, device) for name in checkpoints]
    seconds = sum(tokens / (speed or TYPICAL_SPEED[device]) for speed in speeds)
    stored = sum(tokens * _local().weight.get(name, TYPICAL_WEIGHT) for name in checkpoints)
    return Cost(seconds, stored, all(speeds))


def progress(run: str) -> Progress | None:
    return engine().progress(run)
