"""The engine on this machine: one worker process per device, kept alive across runs and sessions."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import secrets
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from app.jobs import Job, Progress, store

HOME = Path(__file__).absolute().parents[2]  # the folder that holds the package `app`
DIED = "The worker process ended unexpectedly during this run. Run it again: a new worker has been started."

log = logging.getLogger("titanscope.jobs")


@dataclass
class _Run:
    job: Job
    progress: Progress
    started: float = 0.0


@dataclass
class _Worker:
    """A child process and the ids it has been given and not yet finished, oldest first."""

    process: subprocess.Popen[str]
    pending: list[str] = field(default_factory=list)
    listener: threading.Thread | None = None


class LocalEngine:
    """See app.jobs.Engine. Safe to call from any thread."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._runs: dict[str, _Run] = {}
        self._workers: dict[str, _Worker] = {}
        self._devices = ["cpu"]
        self.speed: dict[tuple[str, str], float] = {}  # (checkpoint, device) -> tokens a second, last long run
        self.weight: dict[str, float] = {}  # checkpoint -> stored bytes a token
        store.sweep()

    def start(self, device: str = "cpu") -> int:
        """Start the worker of a device unless it runs; its process id."""
        with self._lock:
            worker = self._workers.get(device)
            if worker is None or worker.process.poll() is not None:
                worker = self._workers[device] = _Worker(_spawn(device))
                worker.listener = threading.Thread(target=self._listen, args=(device, worker), daemon=True)
                worker.listener.start()
            return worker.process.pid

    def submit(self, job: Job) -> str:
        run = secrets.token_hex(16)
        with self._lock:
            self._runs[run] = _Run(job, Progress("queued", job.checkpoint, job.title))
            self.start(job.device)
            worker = self._workers[job.device]
            worker.pending.append(run)
            self._send(worker, do="run", id=run, **asdict(job))
        return run

    def progress(self, run: str) -> Progress | None:
        with self._lock:
            known = self._runs.get(run)
            if known is not None and known.progress.state != "done":
                return self._where(run, known)
        facts = store.facts(run)
        if facts is None:
            return None
        tokens = int(facts["tokens"])
        return Progress("done", facts["checkpoint"], facts["title"], done=tokens, total=tokens)

    def _where(self, run: str, known: _Run) -> Progress:
        at = known.progress
        if at.state == "queued":
            pending = self._workers[known.job.device].pending
            return replace(at, ahead=pending.index(run) if run in pending else 0)
        if at.state == "running" and at.done:
            rate = at.done / max(time.monotonic() - known.started, 1e-3)
            return replace(at, seconds_left=(at.total - at.done) / rate)
        return at

    def cancel(self, run: str) -> None:
        with self._lock:
            known = self._runs.get(run)
            if known is None or not known.progress.live:
                return
            worker = self._workers[known.job.device]
            self._send(worker, do="cancel", id=run)
            if worker.pending and worker.pending[0] != run:  # not begun: it is over at once
                known.progress = replace(known.progress, state="cancelled")

    def result(self, run: str) -> Path | None:
        return store.trace(run)

    def devices(self) -> list[str]:
        return list(self._devices)

    def close(self) -> None:
        """End the workers; queued and running runs fail."""
        with self._lock:
            workers = list(self._workers.values())
        for worker in workers:
            worker.process.kill()
            if worker.listener is not None:
                worker.listener.join(10)

    def _send(self, worker: _Worker, **message: Any) -> None:
        """Write one line to the worker. A worker that died is noticed by _listen, which fails its runs."""
        assert worker.process.stdin is not None  # noqa: S101
        try:
            worker.process.stdin.write(json.dumps(message) + "\n")
            worker.process.stdin.flush()
        except (OSError, ValueError):  # a broken or already closed pipe
            log.warning("worker %d no longer listens", worker.process.pid)

    def _listen(self, device: str, worker: _Worker) -> None:
        assert worker.process.stdout is not None  # noqa: S101
        for line in worker.process.stdout:
            event = json.loads(line)
            with self._lock:
                self._take(worker, event)
        worker.process.wait()
        worker.process.stdout.close()
        with self._lock, contextlib.suppress(OSError):
            assert worker.process.stdin is not None  # noqa: S101
            worker.process.stdin.close()
        with self._lock:
            for run in worker.pending:
                known = self._runs[run]
                if known.progress.live:
                    known.progress = replace(known.progress, state="failed", message=DIED)
                store.discard(run)
            worker.pending.clear()
        log.info("the %s worker ended with status %s", device, worker.process.returncode)

    def _take(self, worker: _Worker, event: dict[str, Any]) -> None:
        kind = event.pop("event")
        if kind == "ready":
            self._devices = event["devices"]
            return
        run = event["id"]
        known = self._runs[run]
        if kind in ("loading", "running"):
            if kind == "running" and known.progress.state != "running":
                known.started = time.monotonic()
            if known.progress.live:
                known.progress = replace(
                    known.progress, state=kind, done=event.get("done", 0), total=event.get("total", 0)
                )
            return
        worker.pending.remove(run)
        known.job = replace(known.job, text="")  # the text is in the trace now, or not wanted any more
        if known.progress.state != "cancelled":
            known.progress = replace(known.progress, state=kind, message=event.get("message", ""))
        if kind == "done":
            self._learn(event)
            store.sweep(keep=frozenset(self._recent()))

    def _learn(self, facts: dict[str, Any]) -> None:
        """Remember how fast and how large a run was, for the cost line of the next one."""
        tokens = facts["tokens"]
        self.speed[facts["checkpoint"], facts["device"]] = tokens / max(facts["seconds"], 1e-3)
        self.weight[facts["checkpoint"]] = facts["bytes"] / tokens

    def _recent(self) -> list[str]:
        return list(self._runs)[-20:]


def _spawn(device: str) -> subprocess.Popen[str]:
    paths = [str(HOME), *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.Popen(  # noqa: S603 (fixed command)
        [sys.executable, "-m", "app.jobs.worker", "--device", device],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
    )
