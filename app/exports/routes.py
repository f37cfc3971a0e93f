"""Exports over HTTP, as downloads in pieces.

titanscope/export/{csv,parquet,zarr,run,text,memory,began}?run=ID
titanscope/export/recall?subject=ID&as=csv    or as=json
titanscope/export/retention?subject=ID
titanscope/export/grid?subject=ID&grid=ADDRESS&as=csv    or as=json
titanscope/export/report?run=ID[&run=ID...]&signal=S[&layer=0][&token=0]
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from app import runs
from app.exports import archive, bundle, probed, recall, recipe, signals
from app.exports.names import View, began_file, recall_stem, stem, text_stem
from app.exports.report import POLICY, report
from app.runs import subjects, traced
from app.theme import SIGNALS
from titans_core.errors import StoreError

_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
    "zarr": "application/zip",
    "run": "application/zip",
    "text": "text/plain; charset=utf-8",
    "memory": "application/octet-stream",
    "began": "application/octet-stream",
}


def one(request: Request) -> Response:
    """What one run holds: its signals, its store or its text."""
    kind = request.path_params["kind"]
    run = _opened(request.query_params.get("run", ""))
    store = runs.engine().result(run.id) if run is not None else None
    if run is None or store is None or kind not in _TYPES:
        return _gone()
    streamed: dict[str, Callable[[], Iterable[bytes]]] = {
        "csv": lambda: signals.csv(run),
        "parquet": lambda: signals.parquet(run),
        "zarr.zip": lambda: archive.archive(run, store),
        "run.zip": lambda: bundle.whole(run.title, store.parent),
    }
    for ending, parts in streamed.items():
        if kind == ending.removesuffix(".zip"):
            return _download(parts(), _TYPES[kind], f"{stem([run])}.{ending}")
    if kind in ("memory", "began"):
        path = runs.engine().memory(f"{run.id}/{kind}")
        name = began_file(run) if kind == "began" else f"{stem([run])}.safetensors"
        return _gone() if path is None else _download([path.read_bytes()], _TYPES[kind], name)
    return _download([recipe.text_bytes(run)], _TYPES[kind], f"{text_stem(run.title)}.txt")


def whole(request: Request) -> Response:
    """The report on several runs of one text."""
    query = request.query_params
    opened = [_opened(name) for name in query.getlist("run")[:8]]
    shown = [run for run in opened if run is not None]
    if not shown or len(shown) < len(opened):
        return _gone()
    if len({run.ds.attrs["text_sha256"] for run in shown}) > 1:
        return PlainTextResponse("a report is of runs of one text", status_code=400)
    try:
        layer, token = (int(query[name]) if name in query else None for name in ("layer", "token"))
        view = View(query.get("signal", "surprise"), layer, token)
        if view.signal not in SIGNALS or min(layer or 0, token or 0) < 0:
            raise KeyError(view.signal)
        having = [run for run in shown if view.signal in run.ds]
        found = {run.id: traced.found(run.id, view.signal, view.layer) for run in having}
        data = report(shown, view, found).encode()
    except (KeyError, ValueError, IndexError):
        return PlainTextResponse("signal, layer and token must be within the run", status_code=400)
    return _download([data], "text/html; charset=utf-8", f"{stem(shown)}.html")


def about(request: Request) -> Response:
    """What memories still knew of a fact of a document."""
    query = request.query_params
    name, form = query.get("subject", ""), query.get("as", "csv")
    subject = subjects.subject(name)
    if subject is None or form not in ("csv", "json"):
        return _gone()
    data = (recall.csv_file if form == "csv" else recall.json_file)(name, subject)
    kind = _TYPES["csv"] if form == "csv" else "application/json"
    return _download([data], kind, f"{recall_stem(subject.title, name)}.{form}")


def maps(request: Request) -> Response:
    """What is left of every write of a document."""
    name = request.query_params.get("subject", "")
    subject = subjects.subject(name)
    if subject is None or not probed.retention(name):
        return _gone()
    stem = recall_stem(subject.title, name, "retention")
    return _download([probed.retention_file(name, subject)], "application/json", f"{stem}.json")


def cells(request: Request) -> Response:
    """The cells of a needle grid of a document."""
    query = request.query_params
    name, of, form = (query.get(key, "") for key in ("subject", "grid", "as"))
    subject = subjects.subject(name)
    if subject is None or form not in ("csv", "json") or not probed.cells(name, of):
        return _gone()
    data = probed.grid_csv(name, of) if form == "csv" else probed.grid_json(name, subject, of)
    kind = _TYPES["csv"] if form == "csv" else "application/json"
    return _download([data], kind, f"{recall_stem(subject.title, name, 'needles')}.{form}")


def _opened(name: str) -> runs.Run | None:
    try:
        return runs.opened(name)
    except StoreError:
        return None


def _download(parts: Iterable[bytes], kind: str, name: str) -> Response:
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Cache-Control": "private, no-store",
        "Content-Security-Policy": POLICY,
        "X-Content-Type-Options": "nosniff",
    }
    return StreamingResponse(parts, media_type=kind, headers=headers)


def _gone() -> Response:
    return PlainTextResponse("no such run, or it has expired", status_code=404)


ROUTES = [
    Route("/titanscope/export/report", whole),
    Route("/titanscope/export/recall", about),
    Route("/titanscope/export/retention", maps),
    Route("/titanscope/export/grid", cells),
    Route("/titanscope/export/{kind}", one),
]
