"""What this server counts, and the metrics endpoint that shows it: off unless titanscope.metrics is on."""

from __future__ import annotations

import shutil
import threading
from collections import Counter

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.jobs import LIVE, store
from app.runs import server

_lock = threading.Lock()
_replies: Counter[str] = Counter()  # by class of status; "cut" where there was none
_pages: Counter[str] = Counter()


def answered(status: int) -> None:
    with _lock:
        _replies[f"{status // 100}xx" if status else "cut"] += 1


def failed() -> None:
    """A page could not be drawn."""
    with _lock:
        _pages["failed"] += 1


def metrics(_: Request) -> Response:
    """Prometheus text: requests by class of status, pages that failed, jobs by state, the worker, the disk."""
    with _lock:
        replies, pages = dict(_replies), _pages["failed"]
    jobs = server.jobs_by_state()
    named: list[tuple[str, str, str, dict[str, float]]] = [
        ("titanscope_requests_total", "counter", "Replies by class of status", _by("status", replies)),
        ("titanscope_page_errors_total", "counter", "Pages that could not be drawn", {"": pages}),
        ("titanscope_jobs", "gauge", "Jobs that go on or wait", _by("state", {s: jobs.get(s, 0) for s in LIVE})),
        ("titanscope_worker_up", "gauge", "Whether the worker's process is there", {"": float(server.worker_alive())}),
        ("titanscope_disk_free_bytes", "gauge", "Where runs are stored", {"": shutil.disk_usage(store.root()).free}),
    ]
    lines = []
    for name, kind, help_text, values in named:
        lines += [f"# HELP {name} {help_text}.", f"# TYPE {name} {kind}"]
        lines += [f"{name}{labels} {value:g}" for labels, value in values.items()]
    return Response("\n".join(lines) + "\n", media_type="text/plain; version=0.0.4; charset=utf-8")


def _by(label: str, values: dict[str, float] | dict[str, int]) -> dict[str, float]:
    return {f'{{{label}="{name}"}}': value for name, value in values.items()}


ROUTE = Route("/titanscope/metrics", metrics)
