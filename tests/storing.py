"""Small entries of a store, for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app.jobs import shelf, store

A, B, C, D = ("a" * 32, "b" * 32, "c" * 32, "d" * 32)


def put(run: str, size: int = 1_000, name: str = "", **facts: Any) -> str:
    draft = store.draft(run)
    (draft / "trace.zarr" / "c").mkdir(parents=True)
    (draft / "trace.zarr" / "zarr.json").write_text("{}")
    (draft / "trace.zarr" / "c" / "0").write_bytes(b"x" * size)
    store.publish(run, {"checkpoint": "mac", "title": f"Run {run[0]}", "tokens": 3} | facts, name)
    return name or run


def there(folder: Path) -> str:
    """The first letters of what is stored."""
    return "".join(sorted(path.name[0] for path in folder.iterdir() if shelf.is_id(path.name)))


def taken(folder: Path) -> int:
    return sum(shelf.size(path) for path in folder.iterdir() if shelf.is_id(path.name) or path.name == "quarantine")
