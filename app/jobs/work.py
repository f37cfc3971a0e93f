"""What a worker does for each kind of job: read a text, check the surprise of a run, put a probe to a document."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from app import memories, probing
from app.jobs import memory, memory_files, sanity, store
from app.jobs.models import Models, check_same
from app.jobs.telling import Progress, Telling
from titans_core.documents import unpacked

Facts = dict[str, Any]  # of a result, as store.publish takes them


class Work:
    """The jobs of one worker, one after the other. say, stop: as telling.Progress takes them; keep: as Telling does."""

    def __init__(
        self,
        models: Models,
        say: Callable[..., None],
        stop: Callable[[str], None],
        keep: Callable[[str, dict[str, Any]], None],
    ) -> None:
        self._models, self._say, self._stop, self._keep = models, say, stop, keep
        self._memo: tuple[str, dict[Any, Any]] = "", {}  # a subject, and what its probes found that others can use

    def do(self, job: dict[str, Any], room: memory.Room) -> Facts:
        """The facts of a job's result, whose files are in its draft. Raises Cancelled, TitansError, or what broke."""
        if job["do"] == "run":
            room.check(job["checkpoint"], job["text"], self._models.device)
        return {"run": self._trace, "sanity": self._sanity, "probe": self._probe}[job["do"]](job)

    def _trace(self, job: dict[str, Any]) -> Facts:
        import titans_core as tc  # noqa: PLC0415
        from titans_core import snapshot  # noqa: PLC0415
        from titans_core.tracing import trace_on  # noqa: PLC0415

        run, name = job["id"], job["checkpoint"]
        document = unpacked(job["places"], job["text"]) if job["places"] else None
        model = self._models.get(run, name)
        started = time.monotonic()
        settings, folder = tc.intervene(*job["changes"]), store.draft(run)
        began, target = memory_files.bring(job["begin"], folder), folder / "trace.zarr"
        state = None if began is None else snapshot.begin(model, snapshot.load(began))
        how: dict[str, Any] = {"settings": settings, "state": state, "document": document}
        ds, after = trace_on(model, job["text"], store=target, progress=self._progress(run), **how)
        self._stop(run)
        if model.config.has_memory and "diverged" not in ds.attrs:
            kept = snapshot.take(model, after, job["title"], text_sha256=ds.attrs["text_sha256"])
            snapshot.save(kept, folder / "memory.safetensors")
        return self._facts(job, name, ds.sizes["token"], started)

    def _sanity(self, job: dict[str, Any]) -> Facts:
        import titans_core as tc  # noqa: PLC0415
        from titans_core.errors import ConfigError, StoreError  # noqa: PLC0415
        from titans_core.probes.controls import compare  # noqa: PLC0415

        run, path = job["id"], store.trace(job["of"])
        if path is None:
            raise StoreError("the run is not stored here any more; choose its text and run it again")
        ds = tc.open_trace(path)
        if problem := sanity.refusal(ds):
            raise ConfigError(problem)
        name = str(ds.attrs["checkpoint"])
        model = self._models.get(run, name)
        check_same(model, ds.attrs["weights_sha256"])
        started = time.monotonic()
        found = compare(
            model,
            str(ds.attrs["text"]),
            settings=sanity.settings(ds),
            limit=sanity.LIMIT,
            progress=self._progress(run),
        )
        self._stop(run)
        store.draft(run)
        return self._facts(job, name, found.tokens, started) | {"of": job["of"], "answer": asdict(found)}

    def _probe(self, job: dict[str, Any]) -> Facts:
        from titans_core.errors import ConfigError, StoreError  # noqa: PLC0415

        run, checkpoint, options = job["id"], job["checkpoint"], dict(job["options"])
        kind, subject = probing.KINDS.get(job["kind"]), store.subject(job["of"])
        if kind is None:
            raise ConfigError(f"unknown kind of probe {job['kind']!r}")
        if subject is None:
            raise StoreError("the document is not stored here any more; choose it and probe it again")
        model = self._models.get(run, checkpoint)
        if problem := kind.refusal(subject, checkpoint, options):
            raise ConfigError(problem)
        check_same(model, memories.weights(checkpoint))
        if self._memo[0] != job["of"]:
            self._memo = job["of"], {}
        started = time.monotonic()
        tell = Telling(job["name"], self._progress(run), self._memo[1], self._keep)
        known = {"kind": job["kind"], "of": job["of"], "answer": kind.run(model, subject, options, tell)}
        self._stop(run)
        store.draft(run)
        return self._facts(job, checkpoint, tell.read, started) | known

    def _progress(self, run: str) -> Progress:
        return Progress(run, self._say, self._stop)

    def _facts(self, job: dict[str, Any], checkpoint: str, tokens: int, started: float) -> Facts:
        return {
            "checkpoint": checkpoint,
            "title": job["title"],
            "device": self._models.device,
            "tokens": int(tokens),
            "seconds": time.monotonic() - started,
        }
