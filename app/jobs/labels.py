"""What changes of a stored entry: what a person calls it, whether it is pinned, and when it was last used.

label.json {"title", "pinned"}, used.json {"sequence", "at"}. The sequence orders entries whatever a clock says.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

from app.jobs import clock, manifest, shelf

LABEL, USED = "label.json", "used.json"
assert {LABEL, USED} == manifest.CHANGING  # noqa: S101 (what a manifest leaves out)
_COUNTED = "sequence.json"


LONGEST = 200  # characters of a title


class Use(NamedTuple):
    """sequence: a later use has a higher one; 0 of what has none. age: seconds since."""

    sequence: int
    age: float


def label(folder: Path) -> dict[str, Any]:
    """{"title", "pinned"} as far as a person chose."""
    found = shelf.read_json(folder / LABEL) or {}
    kinds = {"title": str, "pinned": bool}
    return {name: found[name] for name, kind in kinds.items() if isinstance(found.get(name), kind)}


def pinned(folder: Path) -> bool:
    return bool(label(folder).get("pinned", False))


def use(folder: Path) -> Use:
    """When an entry was last used; where that cannot be read, when its folder last changed."""
    found = shelf.read_json(folder / USED) or {}
    sequence, age = found.get("sequence"), clock.age(found.get("at"))
    if age is None:
        age = max(0.0, clock.now() - folder.lstat().st_mtime)
    return Use(sequence if type(sequence) is int else 0, age)


def set_label(folder: Path, **values: Any) -> None:
    """Call it as the one writer."""
    shelf.replace_json(folder / LABEL, label(folder) | values)


def set_used(folders: list[Path]) -> None:
    """These were used just now, the last of them last. Call it as the one writer."""
    for folder in folders:
        shelf.replace_json(folder / USED, {"sequence": count(), "at": clock.stamp()})


def count() -> int:
    """A number that is higher than all before. Call it as the one writer."""
    last = (shelf.read_json(shelf.root() / _COUNTED) or {}).get("sequence")
    if type(last) is not int:  # never counted, or lost: from what is there
        there = (Path(entry.path) for entry in os.scandir(shelf.root()) if shelf.is_id(entry.name))
        last = max((use(folder).sequence for folder in there), default=0)
    shelf.replace_json(shelf.root() / _COUNTED, {"sequence": last + 1})
    return last + 1
