"""Trace stores, drawn: signals through time and by layer as SVG files, and the report."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import xarray as xr

from app import naming
from app.exports import drawings
from app.exports.names import View
from app.exports.passages import highest
from app.exports.report import report
from app.exports.standalone import standalone
from app.exports.written import Drawing
from app.figures import aggregate, timelines
from app.jobs import imports
from app.jobs.checks import open_checked
from titans_core.documents import Document, of_trace
from titans_core.errors import StoreError


@dataclass(frozen=True)
class Stored:
    """A run as a report takes it (app.exports.names.Finished)."""

    id: str
    title: str
    ds: xr.Dataset
    document: Document | None


def drawn(stores: Sequence[Path]) -> list[Drawing]:
    """Runs of one text together. Raises StoreError for a store that is damaged, and for runs of several texts."""
    with tempfile.TemporaryDirectory() as folder:
        found = [_opened(path, Path(folder) / f"{k}.zarr") for k, path in enumerate(stores)]
        if len({run.ds.attrs["text_sha256"] for run in found}) > 1:
            names = ", ".join(path.name for path in stores)
            raise StoreError(f"{names} are runs of different texts; draw them one by one")
        return _drawings(found)


def _opened(path: Path, room: Path) -> Stored:
    """room: for a run that kept its heads apart, which figures show together, as the page does."""
    ds = open_checked(path, path.name)
    title = imports.title(ds, path)
    if imports.apart(ds):
        imports.put_together(ds, path, room)
        ds = open_checked(room, path.name)
    return Stored(hashlib.sha256((path / "zarr.json").read_bytes()).hexdigest()[:32], title, ds, of_trace(ds.attrs))


def _drawings(found: Sequence[Stored]) -> list[Drawing]:
    traces = [run.ds for run in found]
    view = View(timelines.drawn(traces)[0], None, None)
    passages = {
        run.id: highest(run.ds, aggregate.column(run.ds, view.signal, None)) for run in found if view.signal in run.ds
    }
    charts = {"time.svg": drawings.through_time(traces, view), "layers.svg": drawings.layer_map(traces, view)}
    names = naming.names(traces)
    files = [Drawing(name, standalone(chart, names)) for name, chart in charts.items() if chart]
    return [*files, Drawing("report.html", report(found, view, passages).encode())]
