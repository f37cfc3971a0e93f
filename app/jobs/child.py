"""The worker process seen from the server: how it is started, spoken to and heard."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

HOME = Path(__file__).absolute().parents[2]  # the folder that holds the package `app`

LINGER = 3.0  # seconds that a worker has to end once it closed its pipe

NEVER = "The worker process ends as soon as it is started; the server's log says why."

log = logging.getLogger("titanscope.jobs")


@dataclass
class Child:
    """A worker process. ready: it takes jobs, `room` at once. doing: the attempts it was given, in their order.

    stopping: those of them that are to be cancelled.
    """

    device: str
    process: subprocess.Popen[str]
    ready: bool = False
    room: int = 1
    doing: list[str] = field(default_factory=list)
    stopping: set[str] = field(default_factory=set)
    listener: threading.Thread = field(default_factory=threading.Thread)

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    @property
    def pipes(self) -> tuple[IO[str], IO[str]]:
        """Its stdin and stdout."""
        assert self.process.stdin is not None  # noqa: S101 (made as pipes)
        assert self.process.stdout is not None  # noqa: S101
        return self.process.stdin, self.process.stdout

    def send(self, **message: Any) -> None:
        """Write one short line to it. That it has died is noticed by its listener, which fails its job."""
        stdin, _ = self.pipes
        try:
            stdin.write(json.dumps(message) + "\n")
            stdin.flush()
        except (OSError, ValueError):  # a broken or already closed pipe
            log.warning("worker %d no longer listens", self.process.pid)

    def kill(self) -> None:
        with contextlib.suppress(OSError):
            self.process.kill()

    def listen(self, take: Callable[[Child, dict[str, Any]], None], ended: Callable[[Child, int], None]) -> None:
        """Hand on the worker's events until it ends, and then how it ended."""
        stdin, stdout = self.pipes
        with stdout:
            for line in stdout:
                try:
                    event = json.loads(line)
                except ValueError:  # it was killed while it wrote
                    continue
                if isinstance(event, dict):
                    take(self, event)
        try:
            status = self.process.wait(LINGER)
        except subprocess.TimeoutExpired:  # it can tell nothing any more
            self.kill()
            status = self.process.wait()
        with contextlib.suppress(OSError):
            stdin.close()
        ended(self, status)


def spawn(
    module: str, device: str, take: Callable[[Child, dict[str, Any]], None], ended: Callable[[Child, int], None]
) -> Child:
    """Start a worker, which is this module. take(child, event) and ended(child, status) are called from a thread."""
    paths = [str(HOME), *filter(None, [os.environ.get("PYTHONPATH")])]
    child = Child(
        device,
        subprocess.Popen(  # noqa: S603 (fixed command)
            [sys.executable, "-m", module, "--device", device],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        ),
    )
    child.listener = threading.Thread(target=child.listen, args=(take, ended), daemon=True)
    child.listener.start()
    return child


def died(status: int) -> str:
    """What a person is told of a job whose worker ended with this status."""
    name = _signal(-status) if status < 0 else f"exit status {status}"
    why = "as the system does when memory runs out; a shorter text needs less" if name == "SIGKILL" else "a crash"
    return f"The worker process ended unexpectedly during this run ({name}: {why}). A new worker goes on; run it again."


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
