"""The engine on this machine: one worker process per device, kept alive across runs and sessions."""

from __future__ import annotations

import contextlib
import json
import logging
import secrets
import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from app.jobs import Job, Probe, Progress, SanityCheck, Subject, memory_files, store
from app.jobs.child import Child, spawn
from app.jobs.times import RUN, Times

KEPT = 50  # ended runs remembered in memory, and protected from eviction
DIED = "The worker process ended unexpectedly during this run. Run it again: a new worker has been started."
DO = {Job: "run", SanityCheck: "sanity", Probe: "probe"}

log = logging.getLogger("titanscope.jobs")


@dataclass
class _Run:
    job: Job | SanityCheck | Probe
    progress: Progress
    started: float = 0.0


class LocalEngine:
    """See app.jobs.Engine. Safe to call from any thread."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._runs: dict[str, _Run] = {}
        self._attempts: dict[str, str] = {}  # id of a check or probe -> the id under which it was last begun
        self._workers: dict[str, Child] = {}
        self._devices = ["cpu"]
        self._times = Times()
        store.sweep()

    def start(self, device: str = "cpu") -> int:
        """Start the worker of a device unless it runs; its process id."""
        with self._lock:
            worker = self._workers.get(device)
            if worker is None or worker.process.poll() is not None:
                worker = self._workers[device] = spawn(device)
                worker.listener = threading.Thread(target=self._listen, args=(device, worker), daemon=True)
                worker.listener.start()
            return worker.process.pid

    def submit(self, job: Job | SanityCheck | Probe) -> str:
        run = secrets.token_hex(16)
        with self._lock:
            name = run if isinstance(job, Job) else job.id
            if (at := self.progress(name)) is not None and (at.live or at.state == "done"):
                return name
            self._forget()
            if isinstance(job, Probe):
                store.touch(job.of)
            if name != run:
                self._attempts[name] = run
            at = Progress("queued", job.checkpoint, job.title)
            if isinstance(job, Job):
                at = replace(at, changes=job.changes, texts=memory_files.texts(job.begin))
            self._runs[run] = _Run(job, at)
            self.start(job.device)
            worker = self._workers[job.device]
            worker.pending.append(run)
            worker.send(do=DO[type(job)], id=run, name=name, **asdict(job))
        return name

    def _forget(self) -> None:
        """Keep only the latest ended runs in memory; those that finished are known from disk."""
        ended = [run for run, known in self._runs.items() if not known.progress.live]
        for run in ended[:-KEPT]:
            del self._runs[run]
        self._attempts = {name: run for name, run in self._attempts.items() if run in self._runs}

    def progress(self, run: str) -> Progress | None:
        with self._lock:
            begun = self._attempts.get(run, run)
            known = self._runs.get(begun)
            if known is not None and known.progress.state != "done":
                return self._where(begun, known)
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
            begun = self._attempts.get(run, run)
            known = self._runs.get(begun)
            if known is None or not known.progress.live:
                return
            worker = self._workers[known.job.device]
            worker.send(do="cancel", id=begun)
            if worker.pending and worker.pending[0] != begun:  # not begun: it is over at once
                known.progress = replace(known.progress, state="cancelled")

    def result(self, run: str) -> Path | None:
        return store.trace(run)

    def memory(self, name: str) -> Path | None:
        return memory_files.memory(name)

    def keep(self, data: bytes, name: str) -> str:
        return memory_files.keep(data, name)

    def answer(self, check: str) -> dict[str, Any] | None:
        return store.answer(check)

    def keep_subject(self, subject: Subject) -> str:
        return store.keep_subject(subject)

    def subject(self, name: str) -> Subject | None:
        return store.subject(name)

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

    def _listen(self, device: str, worker: Child) -> None:
        """Take the worker's events until it ends; what it had not finished has then failed."""
        stdin, stdout = worker.pipes
        with stdout:
            for line in stdout:
                with self._lock:
                    self._take(worker, json.loads(line))
        status = worker.process.wait()
        log.info("the %s worker ended with status %s", device, status)
        with self._lock:
            with contextlib.suppress(OSError):
                stdin.close()
            for run in worker.pending:
                known = self._runs[run]
                if known.progress.live:
                    known.progress = replace(known.progress, state="failed", message=DIED)
                store.discard(run)
            worker.pending.clear()

    def _take(self, worker: Child, event: dict[str, Any]) -> None:
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
        if isinstance(known.job, Job):
            known.job = replace(known.job, text="", places="")  # the text is in the trace now, or not wanted any more
        if known.progress.state != "cancelled":
            known.progress = replace(known.progress, state=kind, message=event.get("message", ""))
        if kind == "done":
            if not isinstance(known.job, SanityCheck):  # that reads three times what its facts say
                self._times.learn(event, known.job.kind if isinstance(known.job, Probe) else RUN)
            used = (run.job.of for run in self._runs.values() if not isinstance(run.job, Job))
            store.sweep(keep=frozenset([*list(self._runs)[-KEPT:], *self._attempts, *used]))

    def speed(self, checkpoint: str, device: str, kind: str = RUN) -> float | None:
        """See Times.speed."""
        with self._lock:
            return self._times.speed(checkpoint, device, kind)

    @property
    def weight(self) -> dict[str, float]:
        """Checkpoint -> stored bytes a token of its latest run."""
        return self._times.weight

    def alive(self) -> bool:
        """Whether the worker that runs on the CPU is there."""
        with self._lock:
            worker = self._workers.get("cpu")
            return worker is not None and worker.process.poll() is None

    def counts(self) -> dict[str, int]:
        """How many jobs are in each state of LIVE."""
        with self._lock:
            return dict(Counter(run.progress.state for run in self._runs.values() if run.progress.live))
