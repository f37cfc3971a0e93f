"""The process that hands jobs to a Ray cluster. The server speaks to it as to a worker: see app.jobs.worker.

It is a process of its own because Ray ends the process that it is in when its cluster is gone for a minute, and takes
minutes to say that there is none. So whether the head listens is asked here, every second, before and after Ray is
loaded.
"""

from __future__ import annotations

import argparse
import functools
import json
import logging
import os
import socket
import threading
import time
from typing import Any, TextIO

from app import logs
from app.jobs import cluster, handing
from app.jobs.handing import APP, NAMESPACE, settings
from titans_core.errors import StoreError

PATIENCE = 3.0  # seconds that the cluster has to answer, once the head took a connection
KNOCK = 1.5  # seconds for the head to take a connection
LOOK = 5.0  # seconds between two looks at how many processes the pool has
RECOVERY = 60.0  # seconds in which a pool whose processes all died has new ones
REFUSED = "does not take this server: compare their tokens (RAY_AUTH_TOKEN)."

log = logging.getLogger("titanscope.driver")


class Driver:
    """Jobs of one server, each in a thread that waits for what the cluster says of it."""

    def __init__(self, device: str, out: TextIO) -> None:
        self._device, self._out = device, out
        self._lock = threading.Lock()
        self._going: dict[str, Any] = {}  # attempt -> the stream of what is said of it, None before there is one
        self._host, self._port = cluster.address() or ("", 0)
        self._problem = ""  # why nothing can be done now
        self._seen = float("-inf")  # when the pool had processes

    def serve(self, lines: TextIO) -> None:
        threading.Thread(target=self._listen, args=(lines,), daemon=True).start()
        while not self._knock():
            self._trouble("does not answer. Run it again when it is up.")
            time.sleep(1)
        import ray  # noqa: PLC0415 (takes seconds)
        from ray import serve  # noqa: F401, PLC0415

        logging.getLogger("ray.serve").setLevel(logging.ERROR)  # its handler writes no JSON
        slow = threading.Timer(PATIENCE, self._trouble, ["did not answer in time. Run it again in a while."])
        slow.start()
        threading.Thread(target=self._watch, daemon=True).start()
        while not self._connect(ray):
            time.sleep(LOOK)
        while True:
            self._look()
            slow.cancel()
            time.sleep(LOOK)

    def _trouble(self, what: str) -> None:
        """From now on jobs are told this of the cluster, at once; its address is for the log alone."""
        if self._problem != f"The cluster {what}":
            log.warning("the cluster at %s:%d %s", self._host, self._port, what)
        self._problem = f"The cluster {what}"
        self.say(event="ready")

    def say(self, **event: Any) -> None:
        with self._lock:
            self._out.write(json.dumps(event) + "\n")
            self._out.flush()

    def _listen(self, lines: TextIO) -> None:
        for line in lines:
            message = json.loads(line)
            what = self._cancel if message["do"] == "cancel" else self._run
            if what == self._run:
                self._going[message["id"]] = None
            threading.Thread(target=what, args=(message,), daemon=True).start()
        os._exit(0)  # the server is gone

    def _knock(self) -> bool:
        """Whether the head takes a connection."""
        try:
            socket.create_connection((self._host, self._port), KNOCK).close()
        except OSError:
            return False
        return True

    def _watch(self) -> None:
        """End, with all that goes, when the head no longer listens: nothing of Ray could be used again."""
        while self._knock() or self._knock():
            time.sleep(1)
        self._trouble("is gone. Run it again when it is up.")
        for attempt in list(self._going):
            self._end(attempt, "failed", self._problem)
        time.sleep(0.5)  # what was on its way here is told, too
        os._exit(1)

    def _connect(self, ray: Any) -> bool:
        told = {"log_to_driver": False, "logging_level": logging.ERROR, "namespace": NAMESPACE}
        try:
            ray.init(f"{self._host}:{self._port}", **told)
        except Exception as error:
            log.error("the cluster cannot be joined", exc_info=error)
            token = "uthentica" in f"{error!r} {error.__cause__!r}"
            self._trouble(REFUSED if token else "cannot be joined. The server's log says why.")
            return False
        return True

    def _look(self) -> None:
        """Learn which pools there are, and how many jobs they can do at once."""
        from ray import serve  # noqa: PLC0415

        try:
            found = serve.status().applications
        except Exception as error:
            log.error("the cluster does not tell its state", exc_info=error)
            self._trouble("does not answer. Run it again in a while.")
            return
        pools = {name.removeprefix(APP): _processes(app) for name, app in found.items() if name.startswith(APP)}
        if not any(pools.values()):
            if time.monotonic() - self._seen > RECOVERY:
                self._trouble("runs no processes for this: see docs/cluster.md.")
            return  # they died just now, and others are being started
        self._seen = time.monotonic()
        if not pools.get(self._device):
            self._device = max(pools, key=pools.__getitem__)
        self._problem = ""
        self.say(event="ready", devices=sorted(pools), room=pools[self._device])

    def _cancel(self, message: dict[str, Any]) -> None:
        stream = self._going.get(message["id"])
        self._end(message["id"], "cancelled")
        if stream is not None:
            stream.cancel()

    def _end(self, attempt: str, state: str, message: str = "", **facts: Any) -> None:
        """Say how a job ended, once."""
        with self._lock:
            known = attempt in self._going
            self._going.pop(attempt, None)
        if known:
            self.say(event=state, id=attempt, message=message, **facts)

    def _hold(self, attempt: str, stream: Any = None) -> bool:
        """Whether this job is still wanted; then it can be cancelled by its stream."""
        with self._lock:
            wanted = attempt in self._going
            if wanted and stream is not None:
                self._going[attempt] = stream
        return wanted

    def _run(self, order: dict[str, Any]) -> None:
        attempt = order["id"]
        try:
            if self._problem:
                raise StoreError(self._problem)
            hold = functools.partial(self._hold, attempt)
            self._end(attempt, **handing.follow(self._device, handing.whole(order), hold, self.say))
        except StoreError as error:
            self._end(attempt, "failed", str(error))
        except Exception:
            log.exception("job %s failed", attempt)
            self._end(attempt, "failed", "The cluster could not do this. The server's log says why.")


def _processes(app: Any) -> int:
    """Of a pool: those that work."""
    return sum(one.replica_states.get("RUNNING", 0) for one in app.deployments.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    device = parser.parse_args().device
    logs.setup()
    os.environ |= settings((cluster.address() or ("", 0))[0])
    # Whatever a library prints must not mix with the answers, so stdout becomes a second stderr.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    Driver(device, out).serve(open(0, encoding="utf-8", closefd=False))  # noqa: SIM115


if __name__ == "__main__":
    main()
