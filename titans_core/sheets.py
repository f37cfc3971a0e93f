"""Rows of CSV that no spreadsheet takes for anything else than what they say."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from typing import IO, Any

GUARD = "'"
_FORMULA = re.compile("\\s*['=+\\-@\t\r\uff1d\uff0b\uff0d\uff20]")  # how a formula begins, and the guard itself


def guarded(cell: Any) -> Any:
    """Text that begins like a formula with a ' before it, which is to be taken away to have it; all else as it is."""
    return GUARD + cell if isinstance(cell, str) and _FORMULA.match(cell) else cell


def write(file: IO[str], rows: Sequence[Sequence[Any]]) -> None:
    """Rows, the first of them the names of the columns, into a file that was opened with newline=""."""
    csv.writer(file).writerows([guarded(cell) for cell in row] for row in rows)
