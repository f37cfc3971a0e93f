"""What an engine on this machine offers of what is stored: the half of app.jobs.Engine that needs no worker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app.jobs import Subject, memory_files, store


class Stored:
    """See app.jobs.Engine."""

    def result(self, run: str) -> Path | None:
        return store.trace(run)

    def memory(self, name: str) -> Path | None:
        return memory_files.memory(name)

    def keep(self, data: bytes, name: str) -> str:
        return memory_files.keep(data, name)

    def answer(self, check: str) -> dict[str, Any] | None:
        return store.answer(check)

    def keep_subject(self, subject: Subject) -> str:
        return store.keep_subject(subject)

    def subject(self, name: str) -> Subject | None:
        return store.subject(name)
