"""The process that holds torch: is told of jobs by JSON lines on stdin, answers with JSON lines on stdout.

in   {"do": "run" | "sanity" | "probe", "id", "name"}   {"do": "cancel", "id"}
out  {"event": "ready", "devices"}   {"event": "loading" | "running" | "done" | "failed" | "cancelled", "id", ...}
id: of this attempt. name: under which the job is found in the ledger, and its result is published.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import queue
import secrets
import threading
import time
from dataclasses import asdict
from typing import Any, TextIO

from app import logs, memories, probing
from app.jobs import ledger, memory, memory_files, sanity, store
from app.jobs.telling import Cancelled, Progress, Telling, plain, said
from titans_core.documents import unpacked

THREADS = 1  # the other core serves the page; on a busy machine two threads were measured 4 to 8 times slower

log = logging.getLogger("titanscope.worker")


class Worker:
    """Runs jobs one after the other on one device; models stay loaded between jobs."""

    def __init__(self, device: str, out: TextIO) -> None:
        self.device = device
        self._out = out
        self._cancelled: set[str] = set()
        self._room = memory.Room(None)
        self._models: dict[str, Any] = {}
        self._memo: tuple[str, dict[Any, Any]] = "", {}  # a subject, and what its probes found that others can use
        self._jobs: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()

    def serve(self, lines: TextIO) -> None:
        threading.Thread(target=self._listen, args=(lines,), daemon=True).start()
        self.say(event="ready", devices=self._prepare())
        while True:
            self.run(self._jobs.get())

    def _prepare(self) -> list[str]:
        import torch  # noqa: PLC0415 (slow: after the listener is up)

        torch.set_num_threads(THREADS)
        memory.go_first()
        if os.name != "nt":
            os.nice(5)  # pages answer first
        return ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]

    def _listen(self, lines: TextIO) -> None:
        for line in lines:
            message = json.loads(line)
            if message["do"] == "cancel":
                self._cancelled.add(message["id"])
            else:
                self._jobs.put(message)
        os._exit(0)  # the server is gone

    def say(self, **event: Any) -> None:
        self._out.write(json.dumps(event) + "\n")
        self._out.flush()

    def run(self, order: dict[str, Any]) -> None:
        """One job from start to published result; every way it can end is told."""
        from titans_core.errors import TitansError  # noqa: PLC0415

        run, broken = order["id"], None
        self._room = memory.Room(self._free())
        try:
            job = order | asdict(ledger.asked(order["name"]))
            facts = {"run": self._trace, "sanity": self._sanity, "probe": self._probe}[job["do"]](job)
            self.say(event="done", id=run, **store.publish(run, facts, job["name"]))
        except Cancelled:
            self.say(event="cancelled", id=run)
        except TitansError as error:
            self.say(event="failed", id=run, message=said(error, secrets.token_hex(4)))
        except Exception as error:
            code = secrets.token_hex(4)
            log.exception("run %s failed, error %s", run, code)
            self.say(event="failed", id=run, message=plain(error, code, self._room))
            broken = error
        finally:
            store.discard(run)
            self._cancelled.discard(run)
        if broken is not None:
            self._recover(broken)
        memory.give_back()

    def _free(self) -> float | None:
        """Bytes of memory that a job on this device can take."""
        if self.device == "cpu":
            return memory.available()
        import torch  # noqa: PLC0415

        return float(torch.cuda.mem_get_info()[0])

    def _recover(self, error: Exception) -> None:
        """After an unexpected error: hold no memory, and end where the device cannot be used any more."""
        if self.device == "cpu":
            return
        import torch  # noqa: PLC0415

        if not memory.is_short(error) and isinstance(error, RuntimeError) and "CUDA" in str(error):
            os._exit(3)  # after an illegal access or a failed assertion all else would fail, too
        torch.cuda.empty_cache()

    def _trace(self, job: dict[str, Any]) -> dict[str, Any]:
        import titans_core as tc  # noqa: PLC0415
        from titans_core import snapshot  # noqa: PLC0415
        from titans_core.tracing import trace_on  # noqa: PLC0415

        run, name = job["id"], job["checkpoint"]
        self._room.check(name, job["text"], self.device)
        document = unpacked(job["places"], job["text"]) if job["places"] else None
        model = self._model(run, name)
        started = time.monotonic()
        settings, folder = tc.intervene(*job["changes"]), store.draft(run)
        began, target = memory_files.bring(job["begin"], folder), folder / "trace.zarr"
        state = None if began is None else snapshot.begin(model, snapshot.load(began))
        how: dict[str, Any] = {"settings": settings, "state": state, "document": document}
        progress = Progress(run, self.say, self._stop)
        ds, after = trace_on(model, job["text"], store=target, progress=progress, **how)
        self._stop(run)
        if model.config.has_memory and "diverged" not in ds.attrs:
            kept = snapshot.take(model, after, job["title"], text_sha256=ds.attrs["text_sha256"])
            snapshot.save(kept, folder / "memory.safetensors")
        return self._facts(job, name, ds.sizes["token"], started)

    def _sanity(self, job: dict[str, Any]) -> dict[str, Any]:
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
        model = self._model(run, name)
        self._same(model, ds.attrs["weights_sha256"])
        started = time.monotonic()
        found = compare(
            model,
            str(ds.attrs["text"]),
            settings=sanity.settings(ds),
            limit=sanity.LIMIT,
            progress=Progress(run, self.say, self._stop),
        )
        self._stop(run)
        store.draft(run)
        return self._facts(job, name, found.tokens, started) | {"of": job["of"], "answer": asdict(found)}

    def _probe(self, job: dict[str, Any]) -> dict[str, Any]:
        from titans_core.errors import ConfigError, StoreError  # noqa: PLC0415

        run, checkpoint, options = job["id"], job["checkpoint"], dict(job["options"])
        kind, subject = probing.KINDS.get(job["kind"]), store.subject(job["of"])
        if kind is None:
            raise ConfigError(f"unknown kind of probe {job['kind']!r}")
        if subject is None:
            raise StoreError("the document is not stored here any more; choose it and probe it again")
        model = self._model(run, checkpoint)
        if problem := kind.refusal(subject, checkpoint, options):
            raise ConfigError(problem)
        self._same(model, memories.weights(checkpoint))
        if self._memo[0] != job["of"]:
            self._memo = job["of"], {}
        started = time.monotonic()
        tell = Telling(job["name"], Progress(run, self.say, self._stop), self._memo[1])
        known = {"kind": job["kind"], "of": job["of"], "answer": kind.run(model, subject, options, tell)}
        self._stop(run)
        store.draft(run)
        return self._facts(job, checkpoint, tell.read, started) | known

    def _same(self, model: Any, weights: str) -> None:
        from titans_core.errors import CheckpointError  # noqa: PLC0415

        if model.weights_sha256 != weights:
            raise CheckpointError(f"checkpoint {model.name!r} was replaced since it was loaded; start the app again")

    def _facts(self, job: dict[str, Any], checkpoint: str, tokens: int, started: float) -> dict[str, Any]:
        return {
            "checkpoint": checkpoint,
            "title": job["title"],
            "device": self.device,
            "tokens": int(tokens),
            "seconds": time.monotonic() - started,
        }

    def _model(self, run: str, name: str) -> Any:
        """An offered model, loaded once. Raises Cancelled, and CheckpointError for a name that is not offered."""
        import titans_core as tc  # noqa: PLC0415
        from titans_core.errors import CheckpointError  # noqa: PLC0415

        self._stop(run)
        if name not in memories.names():  # tc.load would take any path; the page may only name what is offered
            raise CheckpointError(f"unknown checkpoint {name!r}; there are {', '.join(memories.names())}")
        if name not in self._models:
            self.say(event="loading", id=run)
            self._models[name] = tc.load(memories.folder(name), device=self.device)
        return self._models[name]

    def _stop(self, run: str) -> None:
        if run in self._cancelled:
            raise Cancelled


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    device = parser.parse_args().device
    logs.setup()
    # Whatever a library prints must not mix with the answers, so stdout becomes a second stderr.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    Worker(device, out).serve(open(0, encoding="utf-8", closefd=False))  # noqa: SIM115


if __name__ == "__main__":
    main()
