"""The engine on this machine: one worker process per device, kept alive across jobs and sessions."""

from __future__ import annotations

import secrets
from collections import Counter
from dataclasses import replace

from app.jobs import Busy, Job, Probe, Progress, SanityCheck, ledger, memory_files, store
from app.jobs.attempts import Attempt
from app.jobs.foreman import Foreman
from app.jobs.stored import Stored
from app.jobs.times import RUN
from titans_core.errors import StoreError


class LocalEngine(Foreman, Stored):
    """See app.jobs.Engine. Safe to call from any thread."""

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
        worker = self._workers[known.job.device]
        before = [*worker.doing, *order[: order.index(known.id)]]
        return known.where([self._attempts[one] for one in before], worker.room)

    def cancel(self, run: str) -> None:
        with self._lock:
            known = self._attempts.under(run)
            if known is None or not known.live:
                return
            worker = self._workers[known.job.device]
            if self._lines[worker.device].drop(known.id):
                self._end(known, "cancelled")
            elif known.id not in worker.stopping:
                self._stop(worker, known)

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
