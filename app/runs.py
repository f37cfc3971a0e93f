"""Finished runs, opened lazily and kept, with what is read of them; their figures are kept in app.drawn."""

from __future__ import annotations

import atexit
import functools
import hashlib
import signal
import sys
import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

import titans_core as tc
from app import naming, places, samples
from app.bare import bare
from app.components import blob
from app.exports.passages import highest
from app.figures import aggregate, layers, scale, timelines, token
from app.jobs import Busy, Engine, Job, Progress, Subject, library, store
from app.jobs.local import LocalEngine
from app.jobs.times import TYPICAL
from app.kept import Kept
from app.link import Span
from app.probing import needle_text as needle_texts
from titans_core import lineage, passages
from titans_core.documents import PLACES, Document, of_trace, read_document
from titans_core.errors import StoreError, TitansError
from titans_core.lasting import lasting
from titans_core.probes.places import Place, tokens_of
from titans_core.probes.spots import Spot
from titans_core.tokenizer import Tokenizer

# Used by the cost line until this server has measured a run itself; see also times.TYPICAL.
TYPICAL_READING = {("grid", "cpu"): 7_000.0}  # of a kind of probe that records nothing
TYPICAL_WEIGHT = 220.0  # stored bytes a token


@functools.cache
def _local() -> LocalEngine:
    engine = LocalEngine()
    library.tidy()
    atexit.register(engine.close)
    return engine


def warm_up() -> None:
    """Start the worker before anybody asks for a run."""
    _local().start()


def shut_down() -> None:
    """End the workers; what was going or waiting is kept, and can be run again."""
    _local().close()


def end_well() -> None:
    """Let a server that is told to end say that nothing went wrong, where its web server would end by the signal."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))


def worker_alive() -> bool:
    return _local().alive()


def jobs_by_state() -> dict[str, int]:
    """How many jobs wait, load and run."""
    return _local().counts()


def engine() -> Engine:
    """The engine of this server, shared by all its sessions."""
    return _local()


_FIRST = "the first sample"
_first_lock = threading.Lock()
_first: dict[str, str] = {}


def begin(jobs: list[Job], person: str) -> list[str]:
    """Ids of these runs, which are queued; all, or none of them. Raises Busy."""
    begun: list[str] = []
    try:
        for job in jobs:
            begun.append(engine().submit(job, person))
    except Busy:
        for run in begun:
            engine().cancel(run)
        raise
    return begun


def shared_run(key: str, job: Job, person: str = "") -> str:
    """The id of the run that is started once per server under `key`: everybody who asks for it sees the same one.

    Raises Busy.
    """
    with _first_lock:
        at = engine().progress(_first[key]) if key in _first else None
        if at is None or at.broken:
            _first[key] = engine().submit(job, person)
        return _first[key]


def welcome() -> str:
    """The id of the run that a newcomer sees: of the first sample, by the first memory."""
    sample, checkpoint = samples.samples()[0], tc.checkpoints()[0]
    return shared_run(_FIRST, Job(checkpoint, sample.text, sample.title))


def is_welcome(run: str) -> bool:
    """Whether this is the run that every newcomer sees."""
    return run == shared(_FIRST)


def shared(key: str) -> str | None:
    """The id under which `shared_run` started this last; None where it did not."""
    return _first.get(key)


@dataclass(frozen=True)
class Run:
    """A finished run and its trace (values are read from disk when touched)."""

    id: str
    title: str
    ds: xr.Dataset

    @property
    def checkpoint(self) -> str:
        return str(self.ds.attrs["checkpoint"])

    @property
    def name(self) -> str:
        """What the run is called: its variant, and what it did otherwise."""
        return naming.of(self.ds)

    @property
    def places(self) -> str:
        """Those of its text, as a Job takes them; "" where none are known."""
        return str(self.ds.attrs.get(PLACES, ""))

    @functools.cached_property
    def document(self) -> Document | None:
        """Its text with pages, sections and files, where it was taken out of files; else None."""
        return of_trace(self.ds.attrs)

    def stood(self, token: int) -> str:
        """Where in its document a token stood; "" where that is not known."""
        return places.place(self.document, self.ds, token)


def _from_disk(run: str) -> Run:
    at, path = engine().progress(run), engine().result(run)
    if at is None or path is None:
        raise KeyError(run)
    store.examine(run)
    return Run(run, at.title, tc.open_trace(path))


# Of an open run its text, pieces and places are in memory, about 100 bytes a token, and 200 kB whatever its length. It
# counts as 1 MB: of short runs, which open in 15 ms, no more than 200 need be kept.
_open = Kept(200_000_000, _from_disk, lambda run: 1_000_000 + 100 * run.ds.sizes["token"] + 4 * len(run.places))


def opened(run: str) -> Run | None:
    """The finished run `run`, or None where it is unknown, expired or still going.

    Raises StoreError where its trace is damaged or of another version.
    """
    if engine().result(run) is None:
        return None
    return _open(run)


def forget(run: str) -> None:
    """What is written about a run has changed: it is read again when it is opened next."""
    _open.forget(run)


def trace(run: str) -> xr.Dataset:
    """The trace of a finished run. Raises KeyError for an unknown one."""
    return _open(run).ds


def _read(key: tuple[str, str, int | None]) -> np.ndarray:
    run, signal, layer = key
    values = aggregate.column(_open(run).ds, signal, layer)
    values.flags.writeable = False
    return values


_columns = Kept(64_000_000, _read, lambda values: values.nbytes)


def column(run: str, signal: str, layer: int | None) -> np.ndarray:
    """aggregate.column of a run; read-only float32 (T,). Raises KeyError for an unknown run or signal."""
    return _columns((run, signal, layer))


@functools.lru_cache(maxsize=96)
def shared_scale(runs: tuple[str, ...], signal: str, layer: int | None) -> scale.Scale:
    """The colour scale of one signal over all of `runs` that have it."""
    columns = [column(run, signal, layer) for run in runs if signal in _open(run).ds]
    return scale.shared(columns, signal, skip=aggregate.settling(_open(runs[0]).ds))


LASTING = "lasting"  # what is left of a token's write at the end of the text: no signal of the moment it was read


@functools.lru_cache(maxsize=96)
def found(run: str, signal: str, layer: int | None) -> list[passages.Passage]:
    """The passages where the signal (or LASTING) is highest."""
    ds = _open(run).ds
    return highest(ds, lasting(ds, layer) if signal == LASTING else column(run, signal, layer))


@functools.lru_cache(maxsize=32)
def through_time(runs: tuple[str, ...], layer: int | None, span: Span | None) -> bytes:
    """The timelines of these runs as the browser takes them: see timelines.drawing. Raises IndexError for a layer."""
    read = aggregate.Reader()
    traces = [_open(run).ds for run in runs]
    return blob.pack(*timelines.drawing(traces, layer=layer, span=span, read=read, reached=_reached(runs, layer, read)))


_tops: dict[tuple[tuple[str, ...], int | None, str], tuple[float, float]] = {}


def _reached(runs: tuple[str, ...], layer: int | None, read: aggregate.Read) -> timelines.Reached:
    """timelines.reach of these runs. It is of the whole text, so that a zoom need not ask again."""

    def reached(name: str) -> tuple[float, float]:
        key = runs, layer, name
        if key not in _tops:
            if len(_tops) > 1_000:
                _tops.clear()
            _tops[key] = timelines.reach([_open(run).ds for run in runs], name, layer, read)
        return _tops[key]

    return reached


@functools.lru_cache(maxsize=32)
def layer_map(runs: tuple[str, ...], signal: str, span: Span | None, how: str) -> bytes:
    """The layer map of these runs as the browser takes it: see layers.drawing."""
    scaled = functools.partial(_layer_scale, runs, signal)
    traces = [_open(run).ds for run in runs]
    return blob.pack(*layers.drawing(traces, signal, span=span, how=how, read=aggregate.Reader(), scaled=scaled))


@functools.lru_cache(maxsize=256)
def _layer_scale(runs: tuple[str, ...], signal: str, size: int, how: str) -> scale.Scale:
    """layers.layer_scale of these runs. It is of the whole text, so that a zoom need not ask again."""
    return layers.layer_scale([_open(run).ds for run in runs], signal, size, how)


@functools.lru_cache(maxsize=256)
def lineage_of(run: str, at: int, layer: int | None, most: int) -> lineage.Lineage:
    """Raises ConfigError where the run diverged, or was stored without the gates of each head."""
    return lineage.lineage(_open(run).ds, at, layer, most)


@functools.lru_cache(maxsize=256)
def fate_of(run: str, at: int, layer: int | None) -> lineage.Fate:
    """Raises ConfigError as `lineage_of` does."""
    return lineage.fate(_open(run).ds, at, layer)


@functools.lru_cache(maxsize=256)
def signals_at(run: str, at: int, layer: int | None) -> list[dict[str, Any]]:
    """token.values of a token; not to be changed."""
    return token.values(_open(run).ds, at, layer)


@functools.lru_cache(maxsize=1_000)
def still(run: str, at: int, layer: int | None, names: tuple[str, ...] = token.MOVES) -> bool:
    """token.still of a run."""
    return token.still(_open(run).ds, at, layer, names)


_reading = threading.local()  # .data: the bytes that this thread reads; a cache would keep them in its keys


def _take(key: tuple[bytes, str, str | None]) -> tuple[Document | None, str]:
    try:
        return read_document(_reading.data, *key[1:]), ""
    except TitansError as error:
        return None, bare(error)


_documents = Kept(250_000_000, _take, lambda found: 1_000 + sys.getsizeof(found[0].text if found[0] else found[1]))


def document(data: bytes, name: str, encoding: str | None) -> tuple[Document | None, str]:
    """What was read of a file, or why it could not be. Neither is found out again with every click."""
    _reading.data = data
    try:
        return _documents((hashlib.sha256(data).digest(), name, encoding))
    finally:
        del _reading.data


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


@functools.lru_cache(maxsize=4)
def fact_tokens(place: Place) -> tuple[int, int, int] | None:
    """The first token of the fact, the one after its last, and of the whole text how many; None where it has none."""
    try:
        encoding = tokenizer().encode(place.text)
    except TitansError:
        return None
    return *tokens_of(encoding, place), len(encoding)


@dataclass(frozen=True)
class Cost:
    """What a run will take: seconds, stored bytes, and whether this server has measured it itself."""

    seconds: float
    bytes: float
    measured: bool


def cost(tokens: int, checkpoints: tuple[str, ...], device: str) -> Cost:
    """Estimate for one text through several checkpoints, one after the other."""
    speeds = [_local().speed(name, device) for name in checkpoints]
    seconds = sum(tokens / (speed or TYPICAL[device]) for speed in speeds)
    stored = sum(tokens * _local().weight.get(name, TYPICAL_WEIGHT) for name in checkpoints)
    return Cost(seconds, stored, all(speeds))


def seconds(kind: str, tokens: int, checkpoint: str, device: str) -> float:
    """Estimate for one probe of this kind (app.probing) that reads so many tokens."""
    typical = TYPICAL_READING.get((kind, device), TYPICAL[device])
    return tokens / (_local().speed(checkpoint, device, kind) or typical)


def _subject(name: str) -> Subject:
    found = engine().subject(name)
    if found is None:
        raise KeyError(name)
    return found


_subjects = Kept(100_000_000, _subject, lambda found: 1_000 + sys.getsizeof(found.text))


def subject(name: str) -> Subject | None:
    """What the address /recall?subject=NAME is about; None where it is unknown, expired or damaged."""
    try:
        return _subjects(name)
    except KeyError:
        return None


@functools.lru_cache(maxsize=4)  # what the page lays out with every redraw until another is chosen
def needle_text(
    name: str, task: str, haystack: str, seed: int, length: int, depth: float, i: int
) -> needle_texts.NeedleText:
    """Text number i of a cell of a needle grid about the subject `name`. Raises TitansError where there is none."""
    found = subject(name)
    if found is None:
        raise StoreError("the document is not stored here any more; choose it and probe it again")
    return needle_texts.needle_text(tokenizer(), found, haystack, seed, Spot(task, length, depth), i)


def progress(run: str) -> Progress | None:
    return engine().progress(run)
