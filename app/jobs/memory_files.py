"""The memories that are stored beside runs, and those that were brought from elsewhere; see app.jobs.store."""

from __future__ import annotations

import hashlib
import secrets
import shutil
from pathlib import Path

from app.jobs import store
from titans_core import memory_file
from titans_core.errors import StoreError


def memory(name: str) -> Path | None:
    """The file of a memory, ID/memory or ID/began; None where there is none."""
    run, _, kind = name.partition("/")
    if kind not in ("memory", "began") or store.facts(run) is None:
        return None
    path = store.root() / run / f"{kind}.safetensors"
    return path if path.is_file() else None


def bring(name: str, folder: Path) -> Path | None:
    """Copy a memory into the draft of a run that begins with it; None for an empty one. Raises StoreError if gone."""
    if not name:
        return None
    path, own = memory(name), folder / "began.safetensors"
    if path is None:
        raise StoreError("the memory to begin with is not stored here any more; read its text again")
    shutil.copyfile(path, own)
    return own


def texts(name: str) -> tuple[str, ...]:
    """The titles of what a stored memory had read, oldest first; empty where there is none."""
    path = memory(name)
    try:
        return () if path is None else tuple(memory_file.read(path.read_bytes(), path.name).facts.get("texts", [""]))
    except (OSError, StoreError):
        return ()


def keep(data: bytes, name: str) -> str:
    """Store the memory in the bytes of a file called `name`; its id. Raises StoreError unless it is a memory."""
    held = memory_file.read(data, name)
    run = hashlib.sha256(data).hexdigest()[:32]
    if store.facts(run) is None:
        part = secrets.token_hex(16)
        (store.draft(part) / "memory.safetensors").write_bytes(data)
        known = {"checkpoint": held.facts["checkpoint"], "title": name, "tokens": held.facts["tokens"], "kept": True}
        store.publish(part, known, run)
    return run
