"""Uploaded files are held in memory: here is how many, and where the rest ends."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

from app.state.uploads import ALL_MB, REFUSED, SESSION_MB

MB = 1_000_000
MOST_FILES = 1_000  # of one session; what is beyond is not even named
BESIDE = 1_000  # bytes that count for a file's name and type

_add = MemoryUploadedFileManager.add_file
_one = threading.Lock()  # uploads end in several threads


def bound() -> None:
    """Once, before the server starts."""
    MemoryUploadedFileManager.add_file = add  # type: ignore[method-assign, assignment]


def add(manager: MemoryUploadedFileManager, session_id: str, file: UploadedFileRec) -> None:
    """Streamlit's add_file; of a file that is over a bound only the name is kept, and which bound: the page says it."""
    with _one:
        others = [kept for kept in _of(manager, session_id) if kept.file_id != file.file_id]
        if len(others) >= MOST_FILES:
            return
        over = ""
        if _size([*others, file]) > SESSION_MB * MB:
            over = "session"
        elif _size([file]) + sum(_size(_of(manager, each)) for each in list(manager.file_storage)) > ALL_MB * MB:
            over = "server"
        kept = UploadedFileRec(file.file_id, file.name[:255], REFUSED + over, b"") if over else file
        _add(manager, session_id, kept)


def _of(manager: MemoryUploadedFileManager, session_id: str) -> list[UploadedFileRec]:
    return list(manager.file_storage.get(session_id, {}).values())


def _size(files: Iterable[UploadedFileRec]) -> int:
    return sum(BESIDE + len(file.data) for file in files)
