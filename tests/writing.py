"""A process that stores runs until it is killed: `python writing.py FOLDER`, once for each line on its stdin.

It tells the pid of the writer that it forks, and the writer tells each run when it is stored. Importing takes a second
and forking a millisecond, so that a hundred writers can be killed in a test.
"""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path
from typing import Any


def write(run: str, store: Any, size: int) -> None:
    """A run of a few small files, one of them in folders, as a trace has them."""
    folder: Path = store.draft(run)
    (folder / "trace.zarr" / "c").mkdir(parents=True)
    for name in ("trace.zarr/zarr.json", "trace.zarr/c/0", "trace.zarr/c/1", "memory.safetensors"):
        (folder / name).write_bytes(run.encode() * size)
    store.publish(run, {"checkpoint": "mac", "title": "A test", "tokens": 3, "device": "cpu", "seconds": 1.0})


def forever(store: Any) -> None:
    """Store and change runs without end; said of each when it is done."""
    while True:
        run = secrets.token_hex(16)
        write(run, store, secrets.randbelow(2_000))
        os.write(1, f"{run}\n".encode())
        store.look("a session", [run])
        store.keep_partial(secrets.token_hex(16), {"found": run})
        store.sweep()


def main() -> None:
    os.environ["TITANSCOPE_RUNS"] = sys.argv[1]
    from app.jobs import store

    for _ in sys.stdin:
        pid = os.fork()
        if not pid:
            forever(store)
        os.write(1, f"pid {pid}\n".encode())
        os.waitpid(pid, 0)
        os.write(1, b"over\n")


if __name__ == "__main__":
    main()
