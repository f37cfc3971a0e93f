"""Jobs on disk until they are done: what was asked for, and what became of it. So none is lost with its server.

RUNS/jobs/<id>/job.json      what was asked for, as the worker reads it
RUNS/jobs/<id>/state.json    where it stood when that was last written, and by which server
RUNS/jobs/<server>.alive     locked by that server for as long as it lives, however it ends

A job that went on in a server that is gone was interrupted. One that did not finish stays here to be run again.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import shutil
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from app.jobs import Job, Probe, Progress, SanityCheck, store
from titans_core.errors import StoreError, TitansError

if os.name != "nt":
    import fcntl

STOPPED = "The server was stopped before this was done. Run it again."
ABANDONED = 200  # jobs that did not finish and are kept
MAX_BYTES = 500_000_000  # of those
KINDS: dict[str, type[Job | SanityCheck | Probe]] = {"run": Job, "sanity": SanityCheck, "probe": Probe}


def _root() -> Path:
    folder = store.root() / "jobs"
    folder.mkdir(exist_ok=True, mode=0o700)
    return folder


def kind(job: Job | SanityCheck | Probe) -> str:
    return next(name for name, of in KINDS.items() if isinstance(job, of))


class Ledger:
    """What one server writes. Its records can be read by all (`job`, `standing`)."""

    def __init__(self) -> None:
        self.server = secrets.token_hex(8)
        self._path = _root() / f"{self.server}.alive"
        self._alive: int | None = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        if os.name != "nt":
            fcntl.flock(self._alive, fcntl.LOCK_EX)

    def enter(self, name: str, job: Job | SanityCheck | Probe, at: Progress) -> None:
        """Write a job down before it waits. Raises StoreError where the disk does not take it."""
        try:
            (_root() / name).mkdir(exist_ok=True, mode=0o700)
            _write(_root() / name / "job.json", written(job))
            self.note(name, at)
        except OSError as error:
            leave(name)
            why = "the disk is full" if error.errno == errno.ENOSPC else error.strerror or str(error)
            raise StoreError(f"this could not be begun, as it could not be written down: {why}") from error

    def note(self, name: str, at: Progress) -> None:
        """Write where it stands. Raises OSError, also for a job that is not here any more."""
        _write(_root() / name / "state.json", {"server": self.server, "at": asdict(at)})

    def close(self) -> None:
        if self._alive is not None:
            os.close(self._alive)
        self._alive = None
        self._path.unlink(missing_ok=True)


def _write(path: Path, values: dict[str, Any]) -> None:
    part = path.with_suffix(".tmp")
    part.write_text(json.dumps(values), encoding="utf-8")
    part.replace(path)


def leave(name: str) -> None:
    """It is done, and known from its result."""
    shutil.rmtree(_root() / name, ignore_errors=True)


def job(name: str) -> Job | SanityCheck | Probe | None:
    """What was asked for; None where that is not here (any more), or damaged."""
    return parsed(_read(name, "job"))


def written(job: Job | SanityCheck | Probe) -> dict[str, Any]:
    """For JSON, and for `parsed`."""
    return {"kind": kind(job), "job": asdict(job)}


def parsed(known: dict[str, Any]) -> Job | SanityCheck | Probe | None:
    """What `written` gave, once it was JSON; None for anything else."""
    try:
        values = known["job"] | {"changes": tuple(known["job"]["changes"])} if known["kind"] == "run" else known["job"]
        if known["kind"] == "probe":
            values = values | {"options": tuple((key, value) for key, value in values["options"])}
        return KINDS[known["kind"]](**values)
    except (KeyError, TypeError, ValueError, TitansError):
        return None


def asked(name: str) -> Job | SanityCheck | Probe:
    """As `job`. Raises StoreError where there is none."""
    found = job(name)
    if found is None:
        raise StoreError("what was asked for is not stored here any more; ask for it again")
    return found


def standing(name: str) -> Progress | None:
    """Where a job stands that no result tells of, as far as it is known from here; None for an unknown one."""
    known = _read(name, "state")
    try:
        at = Progress(**known["at"] | {"changes": tuple(known["at"]["changes"]), "texts": tuple(known["at"]["texts"])})
        if not at.live:
            return at
        going = _lives(str(known["server"]))
    except (KeyError, TypeError):
        return None
    if going:  # another server has this folder too
        return Progress("running", at.checkpoint, at.title, changes=at.changes, texts=at.texts)
    return Progress("interrupted", at.checkpoint, at.title, message=STOPPED, changes=at.changes, texts=at.texts)


def _read(name: str, part: str) -> dict[str, Any]:
    if not store.is_id(name):
        return {}
    try:
        values = json.loads((_root() / name / f"{part}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}


def _lives(server: str) -> bool:
    """Whether this server still holds its lock: the system lets go of it when the process ends."""
    path = _root() / f"{Path(server).name}.alive"
    if os.name == "nt" or not path.is_file():
        return False
    with open(path, encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def sweep() -> None:
    """Forget servers that are gone, and the oldest of the jobs that did not finish."""
    now, total, count = time.time(), 0, 0
    with contextlib.suppress(FileNotFoundError):  # another server sweeps, too
        for path in _root().glob("*.alive"):
            if now - path.stat().st_mtime > 60 and not _lives(path.stem):  # a new one may not be locked yet
                path.unlink(missing_ok=True)
        listed = [(path.stat().st_mtime, path) for path in _root().iterdir() if store.is_id(path.name)]
        for changed, path in sorted(listed, reverse=True):
            at = standing(path.name)
            if at is not None and at.live:
                continue
            total, count = total + store.size(path), count + 1
            if total > MAX_BYTES or count > ABANDONED or now - changed > store.MAX_AGE:
                shutil.rmtree(path, ignore_errors=True)
