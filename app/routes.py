"""The numbers behind the text heatmap over HTTP, so that a new colouring needs neither a rerun nor a new layout.

titanscope/text?run=ID                               the text, its tokens and their spans
titanscope/values?run=ID[&run=ID...]&signal=S[&signal=...][&layer=0][&from=0&to=4096]
titanscope/drawn?run=ID&part=text                    the browser tells that it has drawn it; or part=timelines
"""

from __future__ import annotations

import functools
import gzip
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import streamlit
from starlette.datastructures import MutableHeaders, QueryParams
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import link, opening, runs
from app.components import blob
from app.exports import routes as exports
from app.figures import aggregate
from app.theme import SIGNALS
from titans_core.errors import StoreError

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
    return runs.column(run.id, signal, layer) if span is None else aggregate.column(run.ds, signal, layer, span)


def _scale(names: tuple[str, ...], signal: str, layer: int | None) -> dict[str, object]:
    return vars(runs.shared_scale(names, signal, layer))


def _binary(data: bytes, encoding: str = "identity") -> Response:
    # A run never changes, and its id is a secret: the browser may keep it, proxies may not.
    headers = {"Cache-Control": "private, max-age=3600, immutable", "X-Content-Type-Options": "nosniff"}
    # Streamlit would compress all. Of measured values that saves little, and takes longer than most lines would.
    headers["Content-Encoding"] = encoding
    return Response(data, media_type="application/octet-stream", headers=headers)


def _gone() -> Response:
    return PlainTextResponse("no such run, or it has expired", status_code=404)


class Ahead:
    """Middleware: with the page goes word of what it will fetch, so that browser and server begin while it starts."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        page = scope["type"] == "http" and (scope["method"], scope["path"]) == ("GET", "/")
        wanted = _wanted(QueryParams(scope["query_string"])) if page else []

        async def told(message: Message) -> None:
            if wanted and message["type"] == "http.response.start" and message["status"] == 200:
                links = [f"<{address}>; rel=preload; as=fetch; crossorigin=anonymous" for address in wanted]
                MutableHeaders(scope=message).append("Link", ", ".join(links + _charts()))
            await send(message)

        await self.app(scope, receive, told)


@functools.cache
def _charts() -> list[str]:
    """Streamlit loads plotly when the first figure comes, and it is large: the browser can read it beforehand."""
    scripts = Path(streamlit.__file__).parent / "static/static/js"
    found = (f"static/js/{script.name}" for script in scripts.glob("PlotlyChart.*.js"))
    return [f"<{address}>; rel=modulepreload; fetchpriority=low" for address in found]


def _wanted(query: QueryParams) -> list[str]:
    """The addresses that heatmap/data.js will ask for first; of a chosen layer only that of the text."""
    names = list(dict.fromkeys(query.getlist("run")))[:8]
    if not names or any(runs.engine().result(name) is None for name in names):
        return []
    opening.announce(names[0])
    look = link.read(query, SIGNALS)
    values = [*(("run", name) for name in names), ("signal", look.get("signal", "surprise"))]
    addresses = [f"titanscope/text?{urlencode({'run': names[0]})}"]
    return addresses if "layer" in look else [*addresses, f"titanscope/values?{urlencode(values)}"]


ROUTES = [
    Route("/titanscope/text", text),
    Route("/titanscope/values", values),
    Route("/titanscope/drawn", drawn),
    *exports.ROUTES,
]
