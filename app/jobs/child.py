"""The worker process seen from the server: how it is started and spoken to."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

HOME = Path(__file__).absolute().parents[2]  # the folder that holds the package `app`

log = logging.getLogger("titanscope.jobs")


@dataclass
class Child:
    """A worker process and the ids it has been given and not yet finished, oldest first."""

    process: subprocess.Popen[str]
    pending: list[str] = field(default_factory=list)
    listener: threading.Thread | None = None

    @property
    def pipes(self) -> tuple[IO[str], IO[str]]:
        """Its stdin and stdout."""
        assert self.process.stdin is not None  # noqa: S101 (made as pipes)
        assert self.process.stdout is not None  # noqa: S101
        return self.process.stdin, self.process.stdout

    def send(self, **message: Any) -> None:
        """Write one line to it. That it has died is noticed by its listener, which fails its runs."""
        stdin, _ = self.pipes
        try:
            stdin.write(json.dumps(message) + "\n")
            stdin.flush()
        except (OSError, ValueError):  # a broken or already closed pipe
            log.warning("worker %d no longer listens", self.process.pid)


def spawn(device: str) -> Child:
    paths = [str(HOME), *filter(None, [os.environ.get("PYTHONPATH")])]
    return Child(
        subprocess.Popen(  # noqa: S603 (fixed command)
            [sys.executable, "-m", "app.jobs.worker", "--device", device],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        )
    )
