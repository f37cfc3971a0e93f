"""Bytes of a file to a Document. What needs a parser goes through a child process that cannot hurt this one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from titans_core.documents.anchors import Document, Section
from titans_core.documents.building import Building
from titans_core.documents.encodings import decode
from titans_core.documents.kinds import kind_of
from titans_core.documents.markdown import headings
from titans_core.documents.names import shown_name
from titans_core.errors import DocumentError

MOST_BYTES = 50_000_000
WALL = 30.0  # seconds for one file; the child's limit of CPU time is lower
_ROOT = str(Path(__file__).parents[2])
_NEEDED = {name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ}  # by Python, on Windows alone
_turns = threading.BoundedSemaphore(2)  # children at once: each may take its whole limit of memory


def read_document(data: bytes, name: str, encoding: str | None = None) -> Document:
    """The text of a txt, md, html, pdf or docx file and its places. The kind is told by the bytes.

    name: as the file is called; only shown, and asked whether it ends in .md. encoding: of text and html, one of
    ENCODINGS; None finds it out. Raises DocumentError, which names the file and what would work, for what is no such
    file, has no text, or breaks a limit.
    """
    called = shown_name(name)
    try:
        if len(data) > MOST_BYTES:
            raise DocumentError(f"it has {len(data) / 1e6:,.1f} MB; up to {MOST_BYTES / 1e6:.0f} MB are read. Split it")
        kind = kind_of(data, name)
        taken = _plain(data, kind, encoding) if kind in ("text", "markdown") else _parsed(data, kind, encoding)
    except DocumentError as error:
        raise DocumentError(f"{called}: {error}") from error
    return Document(
        called,
        kind,
        str(taken["text"]),
        str(taken.get("encoding", "")),
        tuple(map(int, taken["pages"])),
        tuple(Section(int(start), int(level), str(title)) for start, level, title in taken["sections"]),
        tuple(map(str, taken["left_out"])),
    )


def _plain(data: bytes, kind: str, encoding: str | None) -> dict[str, Any]:
    """The text as it is written: no parser is needed."""
    text, used, notes = decode(data, encoding)
    built = Building()
    built.left_out += notes
    built.block(text)
    if kind == "markdown":
        for start, level, title in headings(text):
            built.section(start, level, title)
    return built.done() | {"encoding": used}


def _parsed(data: bytes, kind: str, encoding: str | None) -> dict[str, Any]:
    with _turns, tempfile.TemporaryFile() as request, tempfile.TemporaryFile() as reply:
        request.write(json.dumps({"kind": kind, "encoding": encoding}).encode() + b"\n" + data)
        request.seek(0)
        # nothing of this process's environment or open files goes along; files, not pipes: nothing can block
        child = subprocess.Popen(
            [sys.executable, "-s", "-m", "titans_core.documents.child"],
            stdin=request,
            stdout=reply,
            stderr=subprocess.DEVNULL,
            env={"PYTHONPATH": _ROOT, "PYTHONDONTWRITEBYTECODE": "1"} | _NEEDED,
            cwd=os.sep,
            start_new_session=True,
        )
        try:
            code = child.wait(WALL)
        except subprocess.TimeoutExpired as error:
            raise DocumentError(
                f"reading it took longer than {WALL:.0f} s. Split it, or save its text as txt"
            ) from error
        finally:
            child.kill()
            child.wait()
        if code:
            raise DocumentError(_ended(code))
        reply.seek(0)
        taken: dict[str, Any] = json.loads(reply.read())
    if "error" in taken:
        raise DocumentError(taken["error"])
    return taken


def _ended(code: int) -> str:
    """Why a child that gave no reply ended."""
    if -code in {getattr(signal, name, None) for name in ("SIGXCPU", "SIGKILL")}:  # Windows has neither
        return "reading it took too much processor time. Split it, or save its text as txt"
    return "it could not be read within the limits of memory, or made its reader crash. Save its text as txt"
