"""What is stored, read: nothing here waits for a writer, and what is not whole is not there."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from app.jobs import labels, manifest, shelf
from app.jobs.shelf import is_id, root
from app.jobs.subjects import Subject
from titans_core.errors import StoreError

log = logging.getLogger("titanscope.store")


def facts(run: str) -> dict[str, Any] | None:
    """What is written about a finished run, or None where there is no such run. title: as a person called it last."""
    found = _json(run, "run")
    if found is None or not shelf.is_file(root() / run / manifest.NAME):
        return None
    title = labels.label(root() / run).get("title")
    return found if title is None else found | {"title": title}


def _json(run: str, name: str) -> dict[str, Any] | None:
    """What a file of this run, check or subject holds; None where there is none that can be read."""
    if not is_id(run) or not shelf.is_folder(root() / run):
        return None
    return shelf.read_json(root() / run / f"{name}.json")


def trace(run: str) -> Path | None:
    """The trace of a finished run, or None where there is no such run."""
    known = facts(run)
    return None if known is None or {"answer", "kept"} & set(known) else root() / run / "trace.zarr"


def by_origin(origin: str) -> str | None:
    """The run that was imported from a store of this digest, if it is still there."""
    listed = (path.name for path in root().iterdir())
    return next((run for run in listed if (facts(run) or {}).get("origin") == origin), None)


def answer(check: str) -> dict[str, Any] | None:
    """What a finished check or probe found; of a probe that did not finish what it had, with partial: True; or None."""
    found: dict[str, Any] | None = (facts(check) or {}).get("answer")
    if found is None and (part := partial(check)) is not None:
        return part | {"partial": True}
    return found


def partial(probe: str) -> dict[str, Any] | None:
    """What a probe that did not finish had found; None where there is nothing, or nothing that can be read."""
    return _json(probe, "partial")


def is_partial(entry: Path) -> bool:
    """Whether this is what a probe found that did not finish: the one entry without a manifest."""
    names = {path.name for path in entry.iterdir()} if shelf.is_folder(entry) else set()
    return "partial.json" in names and names <= {"partial.json", *manifest.CHANGING}


def subject(name: str) -> Subject | None:
    """A stored subject; None where there is none, or it is damaged, which the log tells."""
    values = _json(name, "subject")
    try:
        return None if values is None else Subject.from_dict(values)
    except StoreError as error:
        log.warning("the subject %s is damaged: %s", name[:8], error)
        return None
