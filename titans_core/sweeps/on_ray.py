"""Cells as tasks of a Ray cluster. Nothing of Ray is imported before something here is called."""

from __future__ import annotations

import importlib
import os
import socket
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from titans_core.errors import ConfigError
from titans_core.sweeps.cells import Cell
from titans_core.sweeps.loop import Done, Outcome
from titans_core.sweeps.sources import Sources

RETRIES = 2  # of a cell whose process dies; one that raises an error is not tried again, as it would raise it again
_STORE = 128 * 1024**2  # bytes of shared memory that a Ray of our own takes: of texts and results
_QUIET = {  # read when Ray is imported and when its processes start
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_task_oom_retries": str(RETRIES),  # else a cell that does not fit into memory is tried for ever
}


_WORKS = "give local, or the address of a running Ray"


@contextmanager
def connected(address: str) -> Iterator[None]:
    """Joined to the cluster at `address`, or to a Ray of this machine alone, "local", which ends with this block.

    A cluster asks for the token in RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH, unless RAY_AUTH_MODE says "disabled". Raises
    ConfigError where Ray is not installed, is in another cluster already, or does not answer.
    """
    ray = _ray()
    _check_answers(address)
    where: dict[str, Any] = {"address": address}
    if address == "local":
        # workers of Ray listen beyond this machine whatever they are told, so they have to ask for a token
        os.environ.setdefault("RAY_AUTH_TOKEN", os.urandom(32).hex())
        where |= {"include_dashboard": False, "object_store_memory": _STORE, "_node_ip_address": "127.0.0.1"}
    try:
        ray.init(**where, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise ConfigError(f"--ray {address}: {_line(error)}; {_WORKS}") from None
    try:
        yield
    finally:
        ray.shutdown()


def device(asked: str) -> str:
    """ "cpu" or "cuda": what "auto" is here. Raises ConfigError for another, or where the cluster has no GPU."""
    if asked not in ("auto", "cpu", "cuda"):
        raise ConfigError(f"unknown device {asked!r}; choose auto, cpu or cuda")
    there = _ray().cluster_resources().get("GPU", 0) >= 1
    if asked == "cuda" and not there:
        raise ConfigError("device cuda was asked for, but this Ray cluster has no GPU; choose cpu")
    return "cuda" if there and asked != "cpu" else "cpu"


@dataclass(frozen=True)
class OnRay:
    """Many cells at once, the longest first; inside of `connected`, or of a `ray.init` of one's own.

    A cell takes a CPU, or a CPU and a GPU. One whose process dies is begun again at most RETRIES times. Cells are in
    flight for twice as many places as the cluster has, so that none waits for this process.
    """

    sources: Sources

    def run(self, cells: Sequence[Cell]) -> Done:
        ray = _ray()
        from titans_core.sweeps.work import attempt  # noqa: PLC0415 (torch takes seconds to load)

        task = ray.remote(num_cpus=1, max_retries=RETRIES)(attempt)
        sources = ray.put(self.sources)
        waiting = deque(sorted(cells, key=lambda cell: cell.cost, reverse=True))
        flying: dict[Any, Cell] = {}
        try:
            while waiting or flying:
                while waiting and len(flying) < 2 * _places(ray, waiting[0]):
                    cell = waiting.popleft()
                    one = task.options(num_gpus=1) if cell.device == "cuda" else task
                    flying[one.remote(cell, cell.key, sources)] = cell
                done, _ = ray.wait(list(flying))
                for reference in done:
                    yield flying.pop(reference), _outcome(ray, reference)
        finally:
            for reference in flying:
                ray.cancel(reference, force=True)


def _check_answers(address: str) -> None:
    """Ray itself tries for minutes. Raises ConfigError where nobody listens at an address such as 10.0.0.1:6379."""
    host, _, port = address.rpartition(":")
    if host and port.isdigit() and "://" not in address:
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
        except (OSError, OverflowError) as error:
            raise ConfigError(f"--ray {address}: nobody answers there ({error}); {_WORKS}") from None


def _ray() -> Any:
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise ConfigError(
            f"Ray cannot be imported ({error}); pip install 'titanscope[cluster]', or leave --ray out"
        ) from None


def _places(ray: Any, cell: Cell) -> int:
    """How many such cells the cluster can measure at once, as of now."""
    return max(1, int(ray.cluster_resources().get("GPU" if cell.device == "cuda" else "CPU", 0)))


def _outcome(ray: Any, reference: Any) -> Outcome:
    try:
        found: Outcome = ray.get(reference)
    except ray.exceptions.WorkerCrashedError:
        return Outcome(None, failed=f"the process that measured it died, each of {1 + RETRIES} times")
    except ray.exceptions.RayError as error:
        return Outcome(None, failed=f"{type(error).__name__}: {_line(error)}")
    return found


def _line(error: Exception) -> str:
    """The first sentence of an error of Ray, which go on for long."""
    return str(error).strip().partition("\n")[0].partition(". ")[0].rstrip(".")
