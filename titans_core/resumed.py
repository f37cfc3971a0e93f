"""Files of results that a command goes on with: JSON that says what was asked, and a table of the same beside it."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from titans_core import sheets
from titans_core.errors import StoreError


def begun(out: Path, asked: dict[str, Any], command: str) -> list[dict[str, Any]]:
    """The results that the file has of the same question; none where it does not exist.

    Raises StoreError where it is of another question or of something else.
    """
    if not out.exists():
        return []
    try:
        before = json.loads(out.read_text(encoding="utf-8"))
        differs = [name for name, value in asked.items() if before.get(name) != value]
        results = list(before["results"])
        kind = before.keys() - {"results"} == asked.keys()
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise StoreError(f"{out} is no file of `titans {command}`; choose another name") from None
    if not kind:
        raise StoreError(f"{out} holds another kind of result, not one of `titans {command}`; choose another name")
    if differs:
        raise StoreError(f"{out} is of another question ({', '.join(differs)} differ); choose another name")
    return results


def write(out: Path, found: dict[str, Any], table: Sequence[Sequence[Any]]) -> None:
    """Both files, each whole or as it was. Raises StoreError where they cannot be written."""
    part = out.with_name(f".{out.name}.partial")
    try:
        part.write_text(json.dumps(found, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        os.replace(part, out)
        with open(part, "w", encoding="utf-8", newline="") as file:
            sheets.write(file, table)
        os.replace(part, out.with_suffix(".csv"))
    except OSError as error:
        part.unlink(missing_ok=True)
        raise StoreError(f"{out} cannot be written: {error.strerror}") from None
