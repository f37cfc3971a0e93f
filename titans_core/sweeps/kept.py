"""The results of cells in a place: one file each, named by the key of its cell, which it repeats and is checked by."""

from __future__ import annotations

import hashlib
import json
from typing import Any, NamedTuple

from titans_core.sweeps.cells import Cell, canonical
from titans_core.sweeps.places import Place

CELLS, DAMAGED = "cells", "damaged"  # folders


class Kept(NamedTuple):
    """result: JSON. device: the machine's, by its name. seconds: it took."""

    result: dict[str, Any]
    device: str
    seconds: float


class Damaged(NamedTuple):
    """name: what the file is called now."""

    name: str


def find(place: Place, cell: Cell) -> Kept | Damaged:
    """What is kept of this cell; a file that is not whole, or of another cell, is set aside.

    Raises StoreError as `Place`.
    """
    name = _name(cell)
    try:
        document = json.loads(place.read(f"{CELLS}/{name}"))
        told = document.pop("sha256")
        if told != _digest(document) or canonical(document["cell"]) != canonical(cell.to_dict()):
            raise ValueError
        return Kept(dict(document["result"]), str(document["device"]), float(document["seconds"]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return Damaged(_set_aside(place, name))


def keep(place: Place, cell: Cell, kept: Kept) -> None:
    """Raises StoreError as `Place`."""
    document = {"cell": cell.to_dict(), **kept._asdict()}
    whole = {**document, "sha256": _digest(document)}
    place.write(f"{CELLS}/{_name(cell)}", json.dumps(whole, indent=1, allow_nan=False).encode() + b"\n")


def is_kept(names: set[str], cell: Cell) -> bool:
    """names: of the files in the folder CELLS."""
    return _name(cell) in names


def _name(cell: Cell) -> str:
    return f"{cell.key}.json"


def _digest(document: dict[str, Any]) -> str:
    return hashlib.sha256(canonical(document)).hexdigest()


def _set_aside(place: Place, name: str) -> str:
    taken = place.names(DAMAGED)
    number = next(i for i in range(len(taken) + 1) if f"{i}-{name}" not in taken)
    place.move(f"{CELLS}/{name}", f"{DAMAGED}/{number}-{name}")
    return f"{DAMAGED}/{number}-{name}"
