"""The numbers behind text heatmap, timelines and layer map over HTTP, so that the browser draws without a rerun.

titanscope/text?run=ID                               the text, its tokens and their spans
titanscope/values?run=ID[&run=ID...]&signal=S[&signal=...][&layer=0][&from=0&to=4096]
titanscope/values?run=A&minus=B&ratio=0&signal=S     the differences of two runs; ratio=1: log2 of A / B
titanscope/figure?kind=timelines&run=ID[&run=ID...][&layer=0][&from=0&to=4096]
titanscope/figure?kind=layer_map&run=ID[&run=ID...]&signal=S&how=max[&from=0&to=4096]    or how=mean
titanscope/drawn?run=ID&part=text                    the browser tells that it has drawn it; or part=timelines
"""

from __future__ import annotations

import functools
import gzip
import logging
import re
from collections.abc import Callable
from dataclasses import asdict

import numpy as np
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from app import comparisons, link, opening, runs
from app.bare import bare
from app.components import blob
from app.exports import routes as exports
from app.figures import aggregate
from app.runs import packed, traced
from app.theme import SIGNALS
from titans_core.errors import ConfigError, StoreError
from titans_core.storage import READ_ERRORS

log = logging.getLogger("titanscope.routes")

FAST = 1  # of the levels of gzip: a text and its spans then take a third, at 20 ms a megabyte


def text(request: Request) -> Response:
    """The text of one run with token ids and UTF-16 offsets."""
    run = _opened(request.query_params.get("run", ""))
    if run is None:
        return _gone()
    reply = _binary(blob.text(run.ds))
    if "gzip" in request.headers.get("accept-encoding", ""):
        reply = _binary(gzip.compress(reply.body, FAST, mtime=0), "gzip")
    reply.headers["Vary"] = "Accept-Encoding"
    return reply


def values(request: Request) -> Response:
    """float32 columns, one per run and signal (zero length where a run lacks the signal), with their scales."""
    query = request.query_params
    names = tuple(query.getlist("run"))[:8]
    signals = [s for s in query.getlist("signal") if s in SIGNALS]
    opened = [_opened(name) for name in names]
    if not names or not signals or any(run is None for run in opened):
        return _gone()
    if "minus" in query:
        return _differences(query, signals)
    try:
        layer = int(query["layer"]) if "layer" in query else None
        span = _span(query, opened[0])
        columns = {
            f"{k}/{signal}": _column(run, signal, layer, span)
            for k, run in enumerate(opened)
            for signal in signals
            if run is not None and signal in aggregate.signals(run.ds)
        }
        scales = {} if span is not None else {s: _scale(names, s, layer) for s in signals}
    except (ValueError, IndexError):
        return PlainTextResponse("layer, from and to must be numbers within the run", status_code=400)
    return _binary(blob.pack({"scales": scales}, columns))


def _differences(query: QueryParams, signals: list[str]) -> Response:
    """Like values, of what sets run A apart from run B: zero length where either lacks the signal."""
    one, other, ratio = query["run"], query["minus"], query.get("ratio") == "1"
    opened = _opened(one)
    if opened is None or _opened(other) is None:
        return _gone()
    try:
        layer = int(query["layer"]) if "layer" in query else None
        low, high = _span(query, opened) or (0, None)
        having = [signal for signal in signals if comparisons.both_have(one, other, signal)]
        columns = {f"0/{s}": comparisons.difference(one, other, s, layer, ratio)[low:high] for s in having}
        scales = {} if high else {s: asdict(comparisons.difference_scale(one, other, s, layer, ratio)) for s in signals}
    except ValueError:
        return PlainTextResponse("layer, from and to must be numbers within the run", status_code=400)
    except ConfigError as error:
        return PlainTextResponse(bare(error), status_code=400)
    return _binary(blob.pack({"scales": scales}, columns))


def figure(request: Request) -> Response:
    """What a figure draws of runs of one text, see figures.timelines.drawing and figures.layers.drawing."""
    query = request.query_params
    names = tuple(query.getlist("run"))[:8]
    opened = [run for name in names if (run := _opened(name)) is not None]
    if not names or len(opened) < len(names):
        return _gone()
    try:
        draw = _figure(query, opened)
    except ValueError as error:
        return PlainTextResponse(bare(error), status_code=400)
    try:
        return _binary(draw())
    except (StoreError, *READ_ERRORS):
        log.exception("a figure of the run %s failed", names[0])
        return PlainTextResponse("a part of the stored run cannot be read", status_code=500)


def _figure(query: QueryParams, opened: list[runs.Run]) -> Callable[[], bytes]:
    """What makes the reply. Raises ValueError with words for the asker where the query cannot be meant."""
    names, span = tuple(run.id for run in opened), _exact_span(query, opened[0])
    if len({run.ds.attrs["text_sha256"] for run in opened}) > 1:
        raise ValueError("the runs are of different texts")
    if query.get("kind") == "timelines":
        layer = _count(query, "layer") if "layer" in query else None
        if layer is not None and layer >= min(run.ds.sizes.get("layer", layer + 1) for run in opened):
            raise ValueError(f"there is no layer {layer} in every run")
        return functools.partial(packed.through_time, names, layer, span)
    if query.get("kind") != "layer_map":
        raise ValueError("kind must be timelines or layer_map")
    signal, how = query.get("signal", ""), query.get("how", "")
    if signal not in SIGNALS or how not in link.HOW:
        raise ValueError("signal must be one of a trace, and how must be max or mean")
    return functools.partial(packed.layer_map, names, signal, span, how)


def _exact_span(query: QueryParams, run: runs.Run) -> link.Span | None:
    if "from" not in query and "to" not in query:
        return None
    low, high = _count(query, "from"), _count(query, "to")
    total = run.ds.sizes["token"]
    if not low < high <= total:
        raise ValueError(f"from and to must be a part of 0 to {total}")
    return low, high


def _count(query: QueryParams, name: str) -> int:
    value = query.get(name, "")
    if not re.fullmatch("[0-9]{1,12}", value):
        raise ValueError(f"{name} must be a whole number from 0 on")
    return int(value)


def drawn(request: Request) -> Response:
    query = request.query_params
    opening.drawn(query.get("run", ""), query.get("part", ""))
    return Response(status_code=204)


def _opened(name: str) -> runs.Run | None:
    try:
        return runs.opened(name)
    except StoreError:
        return None


def _span(query: QueryParams, run: runs.Run | None) -> tuple[int, int] | None:
    """The tokens asked for, as far as the run has them; None for all. Raises ValueError."""
    if run is None or "to" not in query:
        return None
    total = run.ds.sizes["token"]
    low = max(0, min(total, int(query.get("from", "0"))))
    return low, max(low, min(total, int(query["to"])))


def _column(run: runs.Run, signal: str, layer: int | None, span: tuple[int, int] | None) -> np.ndarray:
    """A part is read by itself: the hover card wants every signal of a few tokens, and never all of a long text."""
    return traced.column(run.id, signal, layer) if span is None else aggregate.column(run.ds, signal, layer, span)


def _scale(names: tuple[str, ...], signal: str, layer: int | None) -> dict[str, object]:
    return vars(traced.shared_scale(names, signal, layer))


def _binary(data: bytes, encoding: str = "identity") -> Response:
    # A run never changes, and its id is a secret: the browser may keep it, proxies may not.
    headers = {"Cache-Control": "private, max-age=3600, immutable", "X-Content-Type-Options": "nosniff"}
    # Streamlit would compress all. Of measured values that saves little, and takes longer than most lines would.
    headers["Content-Encoding"] = encoding
    return Response(data, media_type="application/octet-stream", headers=headers)


def _gone() -> Response:
    return PlainTextResponse("no such run, or it has expired", status_code=404)


ROUTES = [
    Route("/titanscope/text", text),
    Route("/titanscope/values", values),
    Route("/titanscope/figure", figure),
    Route("/titanscope/drawn", drawn),
    *exports.ROUTES,
]
