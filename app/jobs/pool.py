"""The pool of processes in a Ray cluster that run jobs: `python -m app.jobs.pool HOST:PORT` starts it, or changes it.

Each is a replica of one Ray Serve deployment, with the worker of app.jobs.worker inside: one job at a time, models stay
loaded. Serve listens on no port for it; a dashboard reaches it through Ray (app.jobs.driver).
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import os
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from app import logs
from app.jobs import Job, Probe, SanityCheck, ledger, share, store
from app.jobs.handing import APP, NAMESPACE, needed, settings
from app.jobs.worker import Worker
from titans_core.errors import StoreError

PATIENCE = 1.5  # seconds that a cancelled job has to stop by itself
ENDS = ("done", "failed", "cancelled")


class Hand(Worker):
    """A worker that is sent all that it needs, and says what it finds to whoever sent it. tell: takes its events."""

    def __init__(self, device: str) -> None:
        self.tell: Callable[[dict[str, Any]], None] = lambda event: None
        super().__init__(device, sys.stderr)

    def say(self, **event: Any) -> None:
        self.tell(event)

    def asked(self, order: dict[str, Any]) -> Job | SanityCheck | Probe:
        job = ledger.parsed(order["asked"])
        if job is None:
            raise StoreError("the dashboard is of another version than the pool; start both from the same one")
        for name in needed(job):
            if store.facts(name) is None and store.subject(name) is None:
                share.pull(order["shared"], name)
        if order["partial"] is not None:
            store.keep_partial(order["name"], order["partial"])
        return job

    def keep_partial(self, name: str, answer: dict[str, Any]) -> None:
        super().keep_partial(name, answer)
        self.say(event="partial", answer=answer)


class Replica:
    """One process of the pool."""

    def __init__(self, device: str) -> None:
        logs.setup()
        _bind_privately()
        store.sweep()
        self._hand = Hand(device)
        self._hand.prepare()
        self._thread = ThreadPoolExecutor(1)

    async def run(self, order: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        """What happens to a job, up to "done", "failed" or "cancelled". Whoever stops listening cancels it."""
        loop, events = asyncio.get_running_loop(), asyncio.Queue[dict[str, Any]]()

        def tell(event: dict[str, Any]) -> None:
            loop.call_soon_threadsafe(events.put_nowait, event)

        doing, ended = self._thread.submit(self._do, order, tell), False
        try:
            while not ended:
                event = await events.get()
                ended = event["event"] in ENDS
                yield await asyncio.to_thread(_shared, order, event) if event["event"] == "done" else event
        finally:
            if not ended and not doing.cancel():
                self._hand.cancel(order["id"])
                threading.Thread(target=_insist, args=(doing,), daemon=True).start()

    def _do(self, order: dict[str, Any], tell: Callable[[dict[str, Any]], None]) -> None:
        self._hand.tell = tell
        self._hand.run(order)


def _bind_privately() -> None:
    """Have Serve's own gRPC server of this process, which it opens on every interface, listen where Ray does."""
    import ray  # noqa: PLC0415
    from ray.serve._private import replica  # noqa: PLC0415

    there, bind = ray.util.get_node_ip_address(), replica.add_port_to_grpc_server
    replica.add_port_to_grpc_server = lambda server, _: bind(server, f"{there}:0")


def _shared(order: dict[str, Any], event: dict[str, Any]) -> dict[str, Any]:
    """Put a result where the dashboards find it; what is to be said then."""
    try:
        share.push(order["shared"], order["name"])
    except StoreError as error:
        return {"event": "failed", "id": order["id"], "message": str(error)}
    return event


def _insist(doing: Any) -> None:
    """End this process, which is replaced, where a job that nobody wants does not stop."""
    time.sleep(PATIENCE)
    if not doing.done():
        os._exit(3)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m app.jobs.pool", description=__doc__)
    parser.add_argument("address", help="of the cluster's head, HOST:PORT")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--processes", type=int, default=1, help="how many, over all machines (default: 1)")
    parser.add_argument("--cpus", type=float, default=1, help="processors that each takes (default: 1)")
    parser.add_argument("--gpus", type=float, help="GPUs that each takes (default: 1 on cuda; 0.5 puts two on a GPU)")
    parser.add_argument("--queue", type=int, default=16, help="jobs that wait for it per dashboard (default: 16)")
    asked = parser.parse_args()
    os.environ |= settings(asked.address.rpartition(":")[0])
    from ray import init, serve  # noqa: PLC0415

    init(asked.address, namespace=NAMESPACE)
    gpus = asked.gpus if asked.gpus is not None else float(asked.device == "cuda")
    serve.start(proxy_location="Disabled")
    replicas: Any = serve.deployment(Replica)
    replicas = replicas.options(
        num_replicas=asked.processes,
        max_ongoing_requests=1,
        max_queued_requests=asked.queue,
        ray_actor_options={"num_cpus": asked.cpus, "num_gpus": gpus},
        health_check_period_s=2,
        graceful_shutdown_timeout_s=5,
    )
    serve.run(replicas.bind(asked.device), name=APP + asked.device, route_prefix=None)
    print(f"processes on {asked.device}: {asked.processes}", flush=True)


if __name__ == "__main__":  # the processes find their class by the name of its module, which __main__ is not
    importlib.import_module("app.jobs.pool").main()
