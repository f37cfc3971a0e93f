"""The engine on this machine: one worker process per device, kept alive across jobs and sessions, and their lines."""

from __future__ import annotations

import contextlib
import logging
import secrets
import threading
from collections import Counter
from dataclasses import replace
from typing import Any

from app.jobs import DEVICES, Busy, Job, Probe, Progress, SanityCheck, child, ledger, memory_files, store
from app.jobs.attempts import Attempt, Attempts
from app.jobs.child import Child
from app.jobs.line import Line
from app.jobs.stored import Stored
from app.jobs.times import RUN, Times
from titans_core.errors import StoreError

PATIENCE = 1.5  # seconds that a cancelled job has to stop by itself
STARTS = 3  # of a worker in a row that ended before it took a job

log = logging.getLogger("titanscope.jobs")


class LocalEngine(Stored):
    """See app.jobs.Engine. Safe to call from any thread."""

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
        store.sweep()
        ledger.sweep()

    def start(self, device: str = "cpu") -> int:
        """Start the worker of a device unless it runs; its process id."""
        with self._lock:
            worker = self._workers.get(device)
            if worker is None or not worker.alive:
                worker = self._workers[device] = child.spawn(device, self._take, self._ended)
            return worker.process.pid

    def submit(self, job: Job | SanityCheck | Probe, person: str = "") -> str:
        name = secrets.token_hex(16) if isinstance(job, Job) else job.id
        at = Progress("queued", job.checkpoint, job.title)
        if isinstance(job, Job):
            at = replace(at, changes=job.changes, texts=memory_files.texts(job.begin))
        with self._lock:
            known = None if isinstance(job, Job) else self.progress(name)
            if known is not None and (known.live or known.state == "done"):
                return name
            self._refuse(person)
            try:
                self._ledger.enter(name, job, at)
            except StoreError as error:
                self._end(self._attempts.add(name, job, person, at, None), "failed", str(error))
            else:
                self._enqueue(name, job, person, at)
        return name

    def again(self, run: str, person: str = "") -> bool:
        with self._lock:
            at = self.progress(run)
            if at is not None and not at.broken:
                return True  # somebody else was faster
            job = ledger.job(run)
            if at is None or job is None:
                return False
            self._refuse(person)
            at = Progress("queued", at.checkpoint, at.title, changes=at.changes, texts=at.texts)
            self._ledger.note(run, at)
            self._enqueue(run, job, person, at)
            return True

    def _refuse(self, person: str) -> None:
        if self._closed:
            raise Busy("The server is being stopped and takes no more runs.")
        self._attempts.refuse(person)

    def _enqueue(self, name: str, job: Job | SanityCheck | Probe, person: str, at: Progress) -> None:
        if isinstance(job, Probe):
            store.touch(job.of)
        attempt = self._attempts.add(name, job, person, at, self._times.seconds(job))
        self._lines[job.device].put(attempt.id, person)
        self.start(job.device)
        self._next(self._workers[job.device])

    def _next(self, worker: Child) -> None:
        """Give a worker the next job in its line, where it can take one."""
        if not worker.ready or worker.doing or (attempt := self._lines[worker.device].take()) is None:
            return
        worker.doing, worker.stopping = attempt, False
        known = self._attempts[attempt]
        worker.send(do=ledger.kind(known.job), id=attempt, name=known.name)

    def progress(self, run: str) -> Progress | None:
        with self._lock:
            known = self._attempts.under(run)
            if known is not None and known.progress.state != "done":
                return self._where(known)
        facts = store.facts(run)
        if facts is None:
            return ledger.standing(run)
        tokens = int(facts["tokens"])
        return Progress("done", facts["checkpoint"], facts["title"], done=tokens, total=tokens)

    def _where(self, known: Attempt) -> Progress:
        order = self._lines[known.job.device].order()
        if known.id not in order:
            return known.where([])
        doing = self._workers[known.job.device].doing
        return known.where([self._attempts[one] for one in [*filter(None, [doing]), *order[: order.index(known.id)]]])

    def cancel(self, run: str) -> None:
        with self._lock:
            known = self._attempts.under(run)
            if known is None or not known.live:
                return
            worker = self._workers[known.job.device]
            if self._lines[worker.device].drop(known.id):
                self._end(known, "cancelled")
            elif not worker.stopping:
                worker.stopping = True
                worker.send(do="cancel", id=known.id)
                timer = threading.Timer(PATIENCE, self._insist, (worker, known))
                timer.daemon = True
                timer.start()

    def _insist(self, worker: Child, known: Attempt) -> None:
        with self._lock:
            if worker.doing == known.id:
                log.warning("worker %d did not stop the run %s and is ended", worker.process.pid, known.name)
                worker.kill()

    def devices(self) -> list[str]:
        return list(self._devices)

    def close(self) -> None:
        """End the workers; what waits or goes was interrupted, and can be run again when a server is up."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            for known in self._attempts.live():
                self._end(known, "interrupted", ledger.STOPPED)
            for worker in self._workers.values():
                worker.kill()
        for worker in self._workers.values():
            worker.listener.join(10)
        self._ledger.close()

    def _take(self, worker: Child, event: dict[str, Any]) -> None:
        """What a worker says. Of a job that it was not given nothing is taken."""
        kind, attempt = event.get("event"), event.get("id")
        with self._lock:
            known = self._attempts.get(worker.doing)
            if kind == "ready":
                worker.ready, self._failed_starts[worker.device] = True, 0
                if isinstance(listed := event.get("devices"), list):
                    self._devices = [device for device in DEVICES if device in listed] or self._devices
                self._next(worker)
            elif known is None or attempt != known.id:
                log.warning("worker %d speaks of what it was not given", worker.process.pid)
            elif kind in ("loading", "running"):
                known.goes(kind, event.get("done", 0), event.get("total", 0))
            elif kind in ("done", "failed", "cancelled"):
                worker.doing = ""
                self._end(known, kind, str(event.get("message", "")))
                if kind == "done":
                    self._learn(known)
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
        store.sweep(keep=self._attempts.in_use())
        ledger.sweep()

    def _ended(self, worker: Child, status: int) -> None:
        """A worker is gone. What it did came to nothing; what waits is done by a new one."""
        log.info("the %s worker ended with status %s", worker.device, status)
        with self._lock:
            known = self._attempts.get(worker.doing)
            worker.doing = ""
            if known is not None:
                store.discard(known.id)
                if known.live and store.facts(known.name) is not None:  # it came to its end, and could not say so
                    self._end(known, "done")
                elif known.live:
                    state = "cancelled" if worker.stopping else "failed"
                    self._end(known, state, "" if worker.stopping else child.died(status))
            if self._workers[worker.device] is not worker or self._closed:
                return
            line = self._lines[worker.device]
            self._failed_starts[worker.device] += not worker.ready
            while self._failed_starts[worker.device] >= STARTS and (attempt := line.take()) is not None:
                self._end(self._attempts[attempt], "failed", child.NEVER)
            if len(line):
                self.start(worker.device)

    def alive(self) -> bool:
        """Whether the worker that runs on the CPU is there."""
        with self._lock:
            worker = self._workers.get("cpu")
            return worker is not None and worker.alive

    def counts(self) -> dict[str, int]:
        """How many jobs are in each state of LIVE."""
        with self._lock:
            return dict(Counter(known.progress.state for known in self._attempts.live()))

    def speed(self, checkpoint: str, device: str, kind: str = RUN) -> float | None:
        """See Times.speed."""
        with self._lock:
            return self._times.speed(checkpoint, device, kind)

    @property
    def weight(self) -> dict[str, float]:
        """Checkpoint -> stored bytes a token of its latest run."""
        return self._times.weight
