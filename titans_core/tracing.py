"""Run a model on a text and record what its memory did with every token."""

from __future__ import annotations

import hashlib
import json
import platform
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
import xarray as xr
from torch import Tensor

from titans_core import __version__
from titans_core.arguments import check_run
from titans_core.documents import PLACES, Document, packed
from titans_core.model import Model, ModelState
from titans_core.moments.collect import Collector
from titans_core.record import Recording
from titans_core.settings import Settings
from titans_core.slabs import Read, stream
from titans_core.storage import as_path


class Recorder(Protocol):
    """The one instrumentation hook: called for every layer and span of tokens as the run goes."""

    def on_chunk(self, layer: int, span: tuple[int, int], signals: dict[str, Tensor]) -> None:
        """signals: name -> (heads, tokens of the span)."""


class Run(NamedTuple):
    """logits: (T, V), for the token after each; the state after the last token; the trace."""

    logits: Tensor
    state: ModelState
    trace: xr.Dataset


def run(
    model: Model,
    text: str,
    *,
    settings: Settings | None = None,
    state: ModelState | None = None,
    recorder: Recorder | None = None,
) -> Run:
    """Read `text` and keep everything, logits included (16 kB a token); for long texts use `trace`.

    settings: how the run treats the model; None as it was trained. state: of an earlier run, whose memory and
    position this one goes on with; None begins with an empty memory. recorder: told every chunk as it is done.

    Raises TextError for a text without anything to read, and ConfigError for settings that
    do not fit the model or the text.
    """
    kept: list[Read] = []
    dataset = _record(model, text, settings, state, None, False, None, recorder, kept.append, whole=True)
    return Run(torch.cat([read.logits for read in kept]), kept[-1].state, dataset)


def trace(
    model: Model,
    text: str,
    *,
    settings: Settings | None = None,
    state: ModelState | None = None,
    store: str | Path | None = None,
    heads: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> xr.Dataset:
    """The signals of every token of `text`: dims (layer, token), variables as in docs/math.md.

    settings: how the run treats the model; None as it was trained. state: of an earlier run, whose memory and
    position this one goes on with; None begins with an empty memory.
    store: a new folder to stream to (Zarr); the Dataset is then read from it when used.
    heads: keep the heads of all variables apart; head_eta, head_alpha and head_momentary have (layer, head, token)
    anyway.
    progress(done, total): called as tokens are done; may raise to cancel: nothing is left behind.

    `titans_core.moments.moments` of it gives the memory itself at up to 64 moments.
    Where a memory stops being finite the run ends: the values of the rest are NaN, and the attribute "diverged" says at
    which token and in which layer first.
    Raises TextError for a text without anything to read, ConfigError for settings that do not fit the model or the
    text, and StoreError for a store that exists or cannot be written.
    """
    return trace_on(model, text, settings=settings, state=state, store=store, heads=heads, progress=progress)[0]


def trace_on(
    model: Model,
    text: str,
    *,
    settings: Settings | None = None,
    state: ModelState | None = None,
    store: str | Path | None = None,
    heads: bool = False,
    progress: Callable[[int, int], None] | None = None,
    document: Document | None = None,
) -> tuple[xr.Dataset, ModelState]:
    """As `trace`, and the state after the last token, whose memory `titans_core.snapshot` keeps.

    document: of which `text` is the text; where its pages and sections begin is kept in the attribute "places".
    """
    last: list[ModelState] = []

    def keep(read: Read) -> None:
        last[:] = [read.state]

    target = None if store is None else as_path(store)
    return _record(model, text, settings, state, target, heads, progress, None, keep, document=document), last[0]


def _record(
    model: Model,
    text: str,
    settings: Settings | None,
    state: ModelState | None,
    store: Path | None,
    heads: bool,
    progress: Callable[[int, int], None] | None,
    recorder: Recorder | None,
    keep: Callable[[Read], None],
    *,
    whole: bool = False,
    document: Document | None = None,
) -> xr.Dataset:
    begun = time.monotonic()
    check_run(model, text, settings, state, progress, recorder)
    places = packed(document) if document is not None else ""
    settings = Settings() if settings is None else settings
    encoding = model.tokenizer.encode(text)
    total = len(encoding.ids)
    first = 0 if state is None else state.position + state.pending.shape[1]
    settings.check(model.config.layers, first, first + total)
    recording = Recording(encoding.ids, encoding.start, encoding.end, model.tokenizer.pieces, text, store)
    collector = Collector(model, total, first)
    lost = None
    slabs = stream(model, encoding.ids, settings, state, collector, heads=heads, whole=whole)
    try:
        for slab in slabs:
            recording.add(slab.arrays)
            if slab.read is not None:
                lost = lost or slab.read.lost
                _tell(recorder, slab.read)
                keep(slab.read)
            if progress is not None:
                progress(slab.span[1], total)
        found = collector.dataset()
        attributes = _attributes(model, text, settings, time.monotonic() - begun)
        if slab.read is not None and slab.read.state.origin is not None:
            attributes["memory_from"] = slab.read.state.origin
        if places:
            attributes[PLACES] = places
        if lost is not None:
            attributes["diverged"] = json.dumps(lost._asdict())
        return recording.finish(attributes, found)
    except BaseException:
        slabs.close()
        recording.abandon()
        raise


def _tell(recorder: Recorder | None, slab: Read) -> None:
    if recorder is not None and slab.signals:
        for layer in range(next(iter(slab.signals.values())).shape[0]):
            recorder.on_chunk(layer, slab.span, {name: value[layer] for name, value in slab.signals.items()})


def _attributes(model: Model, text: str, settings: Settings, seconds: float) -> dict[str, Any]:
    versions = {"titanscope": __version__, "torch": torch.__version__, "python": platform.python_version()}
    return {
        "text_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "checkpoint": model.name,
        "variant": model.config.variant,
        "parameters": model.parameter_count,
        "weights_sha256": model.weights_sha256,
        "config": json.dumps(model.config.to_dict()),
        "settings": json.dumps(settings.to_dict()),
        "chunk": model.config.chunk,
        "versions": json.dumps(versions),
        "device": str(model.device),
        "dtype": str(model.embed.weight.dtype).removeprefix("torch."),
        "seconds": round(seconds, 3),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
