"""Figures of finished runs as the browser takes them, kept."""

from __future__ import annotations

import functools

from app.components import blob
from app.figures import aggregate, layers, scale, timelines
from app.link import Span
from app.runs import trace


@functools.lru_cache(maxsize=32)
def through_time(runs: tuple[str, ...], layer: int | None, span: Span | None) -> bytes:
    """The timelines of these runs as the browser takes them: see timelines.drawing. Raises IndexError for a layer."""
    read = aggregate.Reader()
    traces = [trace(run) for run in runs]
    return blob.pack(*timelines.drawing(traces, layer=layer, span=span, read=read, reached=_reached(runs, layer, read)))


_tops: dict[tuple[tuple[str, ...], int | None, str], tuple[float, float]] = {}


def _reached(runs: tuple[str, ...], layer: int | None, read: aggregate.Read) -> timelines.Reached:
    """timelines.reach of these runs. It is of the whole text, so that a zoom need not ask again."""

    def reached(name: str) -> tuple[float, float]:
        key = runs, layer, name
        if key not in _tops:
            if len(_tops) > 1_000:
                _tops.clear()
            _tops[key] = timelines.reach([trace(run) for run in runs], name, layer, read)
        return _tops[key]

    return reached


@functools.lru_cache(maxsize=32)
def layer_map(runs: tuple[str, ...], signal: str, span: Span | None, how: str) -> bytes:
    """The layer map of these runs as the browser takes it: see layers.drawing."""
    scaled = functools.partial(_layer_scale, runs, signal)
    traces = [trace(run) for run in runs]
    return blob.pack(*layers.drawing(traces, signal, span=span, how=how, read=aggregate.Reader(), scaled=scaled))


@functools.lru_cache(maxsize=256)
def _layer_scale(runs: tuple[str, ...], signal: str, size: int, how: str) -> scale.Scale:
    """layers.layer_scale of these runs. It is of the whole text, so that a zoom need not ask again."""
    return layers.layer_scale([trace(run) for run in runs], signal, size, how)
