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
from dataclasses import asdict
from typing import Any, TextIO

from app import logs
from app.jobs import Job, Probe, SanityCheck, ledger, memory, store
from app.jobs.models import Models
from app.jobs.telling import Cancelled, plain, said
from app.jobs.work import Work

THREADS = 1  # the other core serves the page; on a busy machine two threads were measured 4 to 8 times slower

log = logging.getLogger("titanscope.worker")


class Worker:
    """Runs jobs one after the other on one device."""

    def __init__(self, device: str, out: TextIO) -> None:
        self.device = device
        self._out = out
        self._cancelled: set[str] = set()
        self._work = Work(Models(device, self.say, self._stop), self.say, self._stop, self.keep_partial)
        self._jobs: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()

    def serve(self, lines: TextIO) -> None:
        threading.Thread(target=self._listen, args=(lines,), daemon=True).start()
        self.say(event="ready", devices=self.prepare())
        while True:
            self.run(self._jobs.get())

    def prepare(self) -> list[str]:
        """Load torch and be a good neighbour; the devices there are."""
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
                self.cancel(message["id"])
            else:
                self._jobs.put(message)
        os._exit(0)  # the server is gone

    def say(self, **event: Any) -> None:
        self._out.write(json.dumps(event) + "\n")
        self._out.flush()

    def run(self, order: dict[str, Any]) -> None:
        """One job from start to published result; every way it can end is told."""
        from titans_core.errors import TitansError  # noqa: PLC0415

        run, broken, room = order["id"], None, memory.Room(self._free())
        try:
            job = order | asdict(self.asked(order))
            self.say(event="done", id=run, **store.publish(run, self._work.do(job, room), job["name"]))
        except Cancelled:
            self.say(event="cancelled", id=run)
        except TitansError as error:
            self.say(event="failed", id=run, message=said(error, secrets.token_hex(4)))
        except Exception as error:
            code = secrets.token_hex(4)
            log.exception("run %s failed, error %s", run, code)
            self.say(event="failed", id=run, message=plain(error, code, room))
            broken = error
        finally:
            store.discard(run)
            self._cancelled.discard(run)
        if broken is not None:
            self._recover(broken)
        memory.give_back()

    def asked(self, order: dict[str, Any]) -> Job | SanityCheck | Probe:
        """What the order is about. Raises StoreError where that is not known any more."""
        return ledger.asked(order["name"])

    def keep_partial(self, name: str, answer: dict[str, Any]) -> None:
        """Keep what a probe has found so far."""
        store.keep_partial(name, answer)

    def cancel(self, run: str) -> None:
        """Have this job stop at its next chunk."""
        self._cancelled.add(run)

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
