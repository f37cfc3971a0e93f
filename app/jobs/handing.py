"""One job handed to the pool of a Ray cluster (app.jobs.pool), and what is heard of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from app.jobs import Job, Probe, SanityCheck, cluster, ledger, share, store
from titans_core.errors import StoreError

APP = "titanscope-"  # and the device: what the pool is called in the cluster
NAMESPACE = "titanscope"
# Never without a token, and nothing is told to anybody. A refusal is asked for twice, not for 20 seconds.
RAY = {
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "error",
    "RAY_NUM_REDIS_GET_RETRIES": "2",
}
LOOPBACK = ("127.0.0.1", "localhost")
FULL = 0.5  # seconds until a job that the pool did not take is offered again
DIED = "The process on the cluster that ran this ended unexpectedly, twice. Others go on; a shorter text may need less."

log = logging.getLogger("titanscope.driver")


def settings(host: str) -> dict[str, str]:
    """Environment of a program that joins the cluster whose head is at `host`, before it first imports Ray."""
    alone = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}  # or Ray takes 127.0.0.1 for the machine's outer address
    return RAY | (alone if host in LOOPBACK else {})


def needed(job: Job | SanityCheck | Probe) -> list[str]:
    """Ids of the stored entries that a job begins with or is about."""
    if isinstance(job, Job):
        return [job.begin.partition("/")[0]] if job.begin else []
    return [job.of]


def whole(order: dict[str, Any]) -> dict[str, Any]:
    """The order with all that the pool needs to know; what it begins with or is about is shared first.

    Raises StoreError where that cannot be.
    """
    job = ledger.asked(order["name"])
    for name in needed(job):
        share.push(cluster.shared(), name)
    known = {"asked": ledger.written(job), "shared": cluster.shared(), "partial": store.partial(order["name"])}
    return order | known


def follow(device: str, order: dict[str, Any], hold: Callable[..., bool], say: Callable[..., None]) -> dict[str, Any]:
    """Hand on what the pool says of a job, up to how it ended: {"state", "message"}.

    hold(stream): whether the job is still wanted. One whose process dies is begun once more, one for which there is no
    room is offered again. Raises StoreError where the result cannot be had.
    """
    from ray import serve  # noqa: PLC0415
    from ray.exceptions import RayActorError  # noqa: PLC0415
    from ray.serve.exceptions import BackPressureError, RequestCancelledError  # noqa: PLC0415

    handle, died = serve.get_app_handle(APP + device).options(stream=True), 0
    while hold():
        stream: Any = handle.run.remote(order)
        if not hold(stream):  # it was cancelled before there was a stream
            stream.cancel()
            break
        try:
            for event in stream:
                if (ended := _hear(order, event, hold, say)) is not None:
                    return ended
        except BackPressureError:
            time.sleep(FULL)
        except RequestCancelledError:
            break
        except RayActorError as error:
            died += 1
            log.warning("the process that did job %s is gone: %s", order["id"], type(error).__name__)
            if died > 1:
                return {"state": "failed", "message": DIED}
            say(event="loading", id=order["id"])
    return {"state": "cancelled"}


def _hear(
    order: dict[str, Any], event: dict[str, Any], hold: Callable[..., bool], say: Callable[..., None]
) -> dict[str, Any] | None:
    """Hand on one event; how the job ended where it says that."""
    kind = event.pop("event")
    if kind == "partial":
        store.keep_partial(order["name"], event["answer"])
    elif kind in ("loading", "running"):
        if hold():
            say(event=kind, **event)
    else:
        if kind == "done" and not share.pull(order["shared"], order["name"]):
            raise StoreError("The result is not among the shared ones any more. Run it again.")
        return {"state": kind, "message": event.get("message", "")}
    return None
