"""Take in a run from a file that somebody uploaded: judged and read in a child process that cannot hurt this one.

`python -m app.jobs.incoming ARCHIVE DRAFT NAME` is that child. On stdout: the facts of the run, or {"error"}, as JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from app.jobs import store
from app.jobs.child import HOME
from app.jobs.telling import is_full
from titans_core.documents import shown_name
from titans_core.documents.child import limit
from titans_core.errors import StoreError

MOST_BYTES = 50_000_000  # of an archive, as of any upload
UNPACKED = 250_000_000  # bytes
MEMORY = 2 << 30  # bytes of address space: numpy and zarr take a third of it
CPU = 60  # seconds
WALL = 120.0

_one = threading.BoundedSemaphore(1)  # children at once: each may take its whole limit of memory
_NEEDED = {name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ}  # by Python, on Windows alone


def bring(data: bytes, name: str) -> str:
    """Store the run in the bytes of a file called `name`, under a new id, and return that.

    Raises StoreError, which names the file and says why it is refused; nothing of it is kept then.
    """
    called, run = shown_name(name), secrets.token_hex(16)
    if len(data) > MOST_BYTES:
        raise StoreError(
            f"{called} has {len(data) / 1e6:,.1f} MB; the page takes up to {MOST_BYTES / 1e6:.0f} MB. "
            "`python -m app FILE` opens a larger one on the server's own machine"
        )
    draft = store.draft(run)
    try:
        archive = draft / "upload.zip"
        archive.write_bytes(data)
        with _one:
            facts = _judged(archive, draft, called)
        archive.unlink()
        store.publish(run, {key: value for key, value in facts.items() if key != "origin"})
    except OSError as error:
        why = "the disk is full" if is_full(error) else error.strerror or "the disk failed"
        raise StoreError(f"{called} cannot be stored: {why}") from error
    finally:
        store.discard(run)
    return run


def _judged(archive: Path, draft: Path, called: str) -> dict[str, Any]:
    """The facts of the run, which the child unpacked into the draft."""
    env = {"PYTHONPATH": str(HOME), "PYTHONDONTWRITEBYTECODE": "1", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-s", "-m", "app.jobs.incoming", str(archive), str(draft), called]
    child = subprocess.Popen(  # noqa: S603 (fixed command)
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=env | _NEEDED,
        cwd=os.sep,
        start_new_session=True,
    )
    try:
        said, _ = child.communicate(timeout=WALL)
    except subprocess.TimeoutExpired as error:
        raise StoreError(f"{called}: reading it took longer than {WALL:.0f} s") from error
    finally:
        child.kill()
        child.wait()
    if child.returncode:
        raise StoreError(f"{called} could not be read within the limits of memory and processor time")
    found: dict[str, Any] = json.loads(said)
    if "error" in found:
        raise StoreError(str(found["error"]).replace(archive.name, called))
    return found


def answer(archive: Path, draft: Path, called: str) -> dict[str, Any]:
    """In the child: the facts of the run, or {"error"}."""
    from app.jobs import imports  # noqa: PLC0415 (under the limits)

    try:
        return imports.take(archive, draft, called, UNPACKED)
    except StoreError as error:
        return {"error": str(error)}
    except OSError as error:
        why = "the disk is full" if is_full(error) else "it cannot be unpacked"
        return {"error": f"{archive.name} cannot be stored: {why}"}


def main() -> None:
    limit(MEMORY, CPU, UNPACKED)
    with contextlib.redirect_stdout(sys.stderr):
        found = answer(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
    print(json.dumps(found))


if __name__ == "__main__":
    main()
