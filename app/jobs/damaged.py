"""Entries that are not whole are set aside, under quarantine/ in the folder of runs, with the reason beside them."""

from __future__ import annotations

import logging
import secrets
from pathlib import Path
from typing import NamedTuple

from app.jobs import clock, shelf

FOLDER = "quarantine"

log = logging.getLogger("titanscope.store")


class SetAside(NamedTuple):
    """title: what the run was called, "" where that is not known. reason: what is wrong with it."""

    run: str
    title: str
    reason: str


def place() -> Path:
    folder = shelf.root() / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def set_aside(run: str, reason: str) -> SetAside:
    """Move the entry out of the runs, as it is. Call it as the one writer."""
    entry = shelf.root() / run
    facts = (shelf.read_json(entry / "run.json") if shelf.is_folder(entry) else None) or {}
    found = SetAside(run, str(facts.get("title", "")), reason)
    target = place() / f"{run}-{secrets.token_hex(4)}"
    entry.rename(target)
    shelf.replace_json(target.with_suffix(".json"), found._asdict() | {"at": clock.stamp()})
    log.warning("the stored entry %s is damaged and was moved to %s: %s", run[:8], FOLDER, reason)
    return found


def of(run: str) -> SetAside | None:
    """What was set aside under this id last; None where nothing was."""
    folder = shelf.root() / FOLDER
    if not shelf.is_id(run) or not shelf.is_folder(folder):
        return None
    notes = [note for path in folder.glob(f"{run}-*.json") if (note := shelf.read_json(path))]
    if not notes:
        return None
    last = max(notes, key=lambda note: str(note.get("at")))
    return SetAside(run, str(last.get("title", "")), str(last.get("reason", "")))


def all_of_it() -> list[Path]:
    """What lies there, oldest first, without the notes."""
    folder = shelf.root() / FOLDER
    if not shelf.is_folder(folder):
        return []
    found = [path for path in folder.iterdir() if path.suffix != ".json"]
    return sorted(found, key=lambda path: (age(path), path.name), reverse=True)


def age(path: Path) -> float:
    """Seconds since it was set aside."""
    found = clock.age((shelf.read_json(path.with_suffix(".json")) or {}).get("at"))
    return max(0.0, clock.now() - path.lstat().st_mtime) if found is None else found


def weight(path: Path) -> int:
    return shelf.size(path) if shelf.is_folder(path) else path.lstat().st_size


def drop(path: Path) -> Path:
    """Take it out of the folder; what is returned is to be removed. Call it as the one writer."""
    path.with_suffix(".json").unlink(missing_ok=True)
    return shelf.move_away(path)
