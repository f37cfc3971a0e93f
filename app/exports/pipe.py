"""A file that is written at one end and taken away at the other."""

from __future__ import annotations

import io
from typing import Any


class Pipe(io.RawIOBase):
    """Cannot be read or sought in. It knows how far it was written, which writers of archives ask for."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._written = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        part = bytes(data)
        self._parts.append(part)
        self._written += len(part)
        return len(part)

    def tell(self) -> int:
        return self._written

    def take(self) -> bytes:
        """What was written since the last time."""
        taken = b"".join(self._parts)
        self._parts.clear()
        return taken
