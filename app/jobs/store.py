"""Finished runs on disk: immutable folders, published by rename, removed by age and size.

RUNS/<id>/trace.zarr   the trace
RUNS/<id>/run.json     what was run: checkpoint, title, tokens, seconds, bytes
RUNS/<id>/memory.safetensors   the memory at its end; none of a model without one, and of a run that diverged
RUNS/<id>/began.safetensors    the memory that it began with, unless that was empty
RUNS/<kept>/memory.safetensors, run.json    a memory from elsewhere, whose id follows from its bytes
RUNS/<check>/run.json  of a sanity check, whose id follows from that of its run: the same facts and what it found
RUNS/<probe>/run.json  of a probe, in the same way; partial.json, with nothing beside it, of one that did not finish
RUNS/<subject>/subject.json  a document and the fact in it that probes ask for
RUNS/tmp-<id>/         a job that is being written
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import secrets
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from app.jobs.subjects import Subject
from titans_core.errors import StoreError

MAX_BYTES = 4 * 1024**3
MAX_AGE = 7 * 24 * 3600.0

log = logging.getLogger("titanscope.store")

_ID = re.compile(r"[0-9a-f]{32}")


def root() -> Path:
    """The folder of runs: $TITANSCOPE_RUNS, else this user's cache folder. Made when missing."""
    chosen = os.environ.get("TITANSCOPE_RUNS")
    folder = Path(chosen) if chosen else _cache() / "titanscope" / "runs"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def _cache() -> Path:
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    if os.name == "nt":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))


def is_id(run: str) -> bool:
    return _ID.fullmatch(run) is not None


def draft(run: str) -> Path:
    """An empty folder to write run `run` into."""
    folder = root() / f"tmp-{run}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    return folder


def discard(run: str) -> None:
    shutil.rmtree(root() / f"tmp-{run}", ignore_errors=True)


def publish(run: str, facts: dict[str, Any], name: str = "") -> dict[str, Any]:
    """Make the draft of `run` final and return its facts with `bytes` added: all of it is there, or nothing.

    name: the id to publish it under, if another. What is there already, as another server left it, gives way.
    """
    folder, target = root() / f"tmp-{run}", root() / (name or run)
    facts = facts | {"bytes": size(folder)}
    (folder / "run.json").write_text(json.dumps(facts), encoding="utf-8")
    _settle(folder, target)
    return facts


def _settle(folder: Path, target: Path) -> None:
    for path in [*folder.rglob("*"), folder]:
        _sync(path)
    if target.exists():
        shutil.rmtree(target)
    folder.rename(target)
    _sync(root())


def _sync(path: Path) -> None:
    if os.name == "nt" and path.is_dir():
        return  # folders cannot be opened there
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def facts(run: str) -> dict[str, Any] | None:
    """What is written about a finished run, or None where there is no such run."""
    return _json(run, "run")


def _json(run: str, name: str) -> dict[str, Any] | None:
    """What a file of this run, check or subject holds; None where there is none that can be read."""
    if not is_id(run):
        return None
    try:
        values = json.loads((root() / run / f"{name}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) else None


def by_origin(origin: str) -> str | None:
    """The run that was imported from a store of this digest, if it is still there."""
    listed = (path.name for path in root().iterdir())
    return next((run for run in listed if (facts(run) or {}).get("origin") == origin), None)


def trace(run: str) -> Path | None:
    """The trace of a finished run, or None where there is no such run."""
    known = facts(run)
    return None if known is None or {"answer", "kept"} & set(known) else root() / run / "trace.zarr"


def answer(check: str) -> dict[str, Any] | None:
    """What a finished check or probe found; of a probe that did not finish what it had, with partial: True; or None."""
    found: dict[str, Any] | None = (facts(check) or {}).get("answer")
    if found is None and (part := partial(check)) is not None:
        return part | {"partial": True}
    return found


def keep_partial(probe: str, answer: dict[str, Any]) -> None:
    """Store what a probe has found so far: all of it is there, or what was there before."""
    folder = root() / probe
    folder.mkdir(mode=0o700, exist_ok=True)
    (folder / "partial.tmp").write_text(json.dumps(answer), encoding="utf-8")
    (folder / "partial.tmp").replace(folder / "partial.json")


def partial(probe: str) -> dict[str, Any] | None:
    """What a probe that did not finish had found; None where there is nothing, or nothing that can be read."""
    return _json(probe, "partial")


def keep_subject(subject: Subject) -> str:
    """Store a document and its fact for probes; its id, which cannot be guessed."""
    name = secrets.token_hex(16)
    folder = draft(name)
    (folder / "subject.json").write_text(json.dumps(subject.to_dict()), encoding="utf-8")
    _settle(folder, root() / name)
    return name


def touch(name: str) -> None:
    """A stored subject was asked about just now: its age counts from here."""
    if is_id(name):
        with contextlib.suppress(OSError):
            os.utime(root() / name)


def subject(name: str) -> Subject | None:
    """A stored subject; None where there is none, or it is damaged, which the log tells."""
    values = _json(name, "subject")
    try:
        return None if values is None else Subject.from_dict(values)
    except StoreError as error:
        log.warning("the subject %s is damaged: %s", name, error)
        return None


def sweep(keep: frozenset[str] = frozenset()) -> None:
    """Remove abandoned drafts and runs over the bounds, oldest first; never one in `keep`."""
    now = time.time()
    total = 0
    entries = [(path.stat().st_mtime, path) for path in root().iterdir() if path.is_dir()]
    for changed, path in sorted(entries, reverse=True):
        name = path.name.removeprefix("tmp-")
        if not is_id(name) or name in keep:
            continue
        abandoned = path.name != name and now - changed > 3600
        total += size(path)
        if abandoned or total > MAX_BYTES or now - changed > MAX_AGE:
            shutil.rmtree(path, ignore_errors=True)
