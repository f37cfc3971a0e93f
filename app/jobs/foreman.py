"""What goes on between the server and its workers: who is given what, what is heard of it, and how it ends."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from dataclasses import replace
from typing import Any

from app.jobs import DEVICES, Probe, SanityCheck, child, ledger, store
from app.jobs.attempts import Attempt, Attempts
from app.jobs.child import Child
from app.jobs.line import Line
from app.jobs.times import RUN, Times

PATIENCE = 1.5  # seconds that a cancelled job has to stop by itself
STARTS = 3  # of a worker in a row that ended before it took a job
SWEEP = 60.0  # seconds between two looks through all that is stored, for which everybody waits

log = logging.getLogger("titanscope.jobs")


class Foreman:
    """One worker for each device, started when it is needed, and the line of jobs before it.

    What begins with an underscore is for LocalEngine, which holds the lock around it.
    """

    WORKER = "app.jobs.worker"  # the module that a worker process runs

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._attempts = Attempts()
        self._workers: dict[str, Child] = {}
        self._lines = {device: Line() for device in DEVICES}
        self._devices = ["cpu"]
        self._failed_starts = dict.fromkeys(DEVICES, 0)
        self._times = Times()
        self._closed = False
        self._ledger = ledger.Ledger()
        self._sweep()

    def start(self, device: str = "cpu") -> int:
        """Start the worker of a device unless it runs; its process id."""
        with self._lock:
            worker = self._workers.get(device)
            if worker is None or not worker.alive:
                worker = self._workers[device] = child.spawn(self.WORKER, device, self._take, self._ended)
            return worker.process.pid

    def _next(self, worker: Child) -> None:
        """Give a worker the next jobs in its line, as far as it can take them."""
        line = self._lines[worker.device]
        while worker.ready and len(worker.doing) < worker.room and (attempt := line.take()) is not None:
            worker.doing.append(attempt)
            known = self._attempts[attempt]
            worker.send(do=ledger.kind(known.job), id=attempt, name=known.name)

    def _stop(self, worker: Child, known: Attempt) -> None:
        """Have a worker stop what it does: in time, or it is ended."""
        worker.stopping.add(known.id)
        worker.send(do="cancel", id=known.id)
        timer = threading.Timer(PATIENCE, self._insist, (worker, known))
        timer.daemon = True
        timer.start()

    def _insist(self, worker: Child, known: Attempt) -> None:
        with self._lock:
            if known.id in worker.doing:
                log.warning("worker %d did not stop the run %s and is ended", worker.process.pid, known.name)
                worker.kill()

    def _take(self, worker: Child, event: dict[str, Any]) -> None:
        """What a worker says. Of a job that it was not given nothing is taken."""
        kind, attempt = event.get("event"), event.get("id")
        with self._lock:
            known = self._attempts.get(attempt) if attempt in worker.doing else None
            if kind == "ready":
                worker.ready, self._failed_starts[worker.device] = True, 0
                worker.room = room if type(room := event.get("room")) is int and room > 0 else 1
                if isinstance(listed := event.get("devices"), list):
                    self._devices = [device for device in DEVICES if device in listed] or self._devices
                self._next(worker)
            elif known is None:
                log.warning("worker %d speaks of what it was not given", worker.process.pid)
            elif kind in ("loading", "running"):
                known.goes(kind, event.get("done", 0), event.get("total", 0))
            elif kind in ("done", "failed", "cancelled"):
                worker.doing.remove(known.id)
                worker.stopping.discard(known.id)
                self._end(known, kind, str(event.get("message", "")))
                if kind == "done":
                    self._learn(known)
                    store.hold(self._attempts.in_use())
                    if time.monotonic() - self._swept >= SWEEP:
                        self._sweep()
                self._next(worker)

    def _end(self, known: Attempt, state: str, message: str = "") -> None:
        known.progress = replace(known.progress, state=state, message=message)
        if state == "done":
            ledger.leave(known.name)
            return
        with contextlib.suppress(OSError):  # a full disk, perhaps; then the next server will not know of it
            self._ledger.note(known.name, known.progress)

    def _learn(self, known: Attempt) -> None:
        facts = store.facts(known.name)
        if facts is not None and not isinstance(known.job, SanityCheck):  # that reads three times what its facts say
            self._times.learn(facts, known.job.kind if isinstance(known.job, Probe) else RUN)

    def _sweep(self) -> None:
        store.sweep(keep=self._attempts.in_use())
        ledger.sweep()
        self._swept = time.monotonic()

    def _ended(self, worker: Child, status: int) -> None:
        """A worker is gone. What it did came to nothing; what waits is done by a new one."""
        log.info("the %s worker ended with status %s", worker.device, status)
        with self._lock:
            for known in filter(None, map(self._attempts.get, worker.doing)):
                store.discard(known.id)
                if known.live and store.facts(known.name) is not None:  # it came to its end, and could not say so
                    self._end(known, "done")
                elif known.live and known.id in worker.stopping:
                    self._end(known, "cancelled")
                elif known.live:
                    self._end(known, "failed", child.died(status))
            worker.doing.clear()
            if self._workers[worker.device] is not worker or self._closed:
                return
            line = self._lines[worker.device]
            self._failed_starts[worker.device] += not worker.ready
            while self._failed_starts[worker.device] >= STARTS and (attempt := line.take()) is not None:
                self._end(self._attempts[attempt], "failed", child.NEVER)
            if len(line):
                self.start(worker.device)
