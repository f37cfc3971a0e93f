"""The folder of runs: where it is, one writer at a time, and files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import stat
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.jobs import locks

_ID = re.compile(r"[0-9a-f]{32}")
_DRAFT = re.compile(r"tmp-[0-9a-f]{32}")
_turn = threading.Lock()


def root() -> Path:
    """The folder of runs: $TITANSCOPE_RUNS, else this user's cache folder. Made when missing."""
    chosen = os.environ.get("TITANSCOPE_RUNS")
    folder = Path(chosen) if chosen else _cache() / "titanscope" / "runs"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def _cache() -> Path:
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    if os.name == "nt":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))


def is_id(run: str) -> bool:
    return _ID.fullmatch(run) is not None


def is_draft(name: str) -> bool:
    return _DRAFT.fullmatch(name) is not None


def draft_of(run: str) -> Path:
    return root() / f"tmp-{run}"


@contextlib.contextmanager
def one_writer() -> Iterator[None]:
    """Held by one thread of one process at a time; the system lets go for a process that dies. Not to be nested."""
    with _turn, _locked(root().resolve()):
        yield


@contextlib.contextmanager
def clearing() -> Iterator[list[Path]]:
    """As the one writer; what is put into the list (see `move_away`) is removed when others may write again."""
    gone: list[Path] = []
    try:
        with one_writer():
            yield gone
    finally:
        for path in gone:
            remove(path)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    handle = locks.lock(folder)
    try:
        yield
    finally:
        locks.unlock(handle)


def sync(path: Path) -> None:
    """Have the disk hold what was written."""
    if os.name == "nt" and path.is_dir():
        return  # folders cannot be opened there
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_json(path: Path, values: Any) -> None:
    """Write a new file of a draft and have the disk hold it."""
    with open(path, "w", encoding="utf-8") as file:
        json.dump(values, file, allow_nan=False)
        file.flush()
        os.fsync(file.fileno())


def replace_json(path: Path, values: Any) -> None:
    """Let `path` hold these values, or what it held before. Call it as the one writer."""
    part = draft_of(secrets.token_hex(16))
    try:
        write_json(part, values)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    sync(path.parent)


def new_folder(path: Path, name: str, values: Any) -> None:
    """Make a folder that holds one file of these values, or none at all. Call it as the one writer."""
    part = draft_of(secrets.token_hex(16))
    try:
        part.mkdir(mode=0o700)
        write_json(part / name, values)
        part.rename(path)
    finally:
        remove(part)
    sync(path.parent)


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a file of the store; None where there is none that can be read. Follows no link to one."""
    try:
        if not is_file(path):
            return None
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) else None


def is_file(path: Path) -> bool:
    """Whether a regular file, and no link to one, lies there."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def is_folder(path: Path) -> bool:
    """Whether a folder, and no link to one, lies there."""
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except OSError:
        return False


def there(path: Path) -> bool:
    """Whether anything lies there, be it a link to nothing."""
    return os.path.lexists(path)


def size(folder: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if is_file(path))


def move_away(path: Path) -> Path:
    """Take an entry out of the readers' sight at once; what is returned is to be removed. Call it as the one writer."""
    gone = draft_of(secrets.token_hex(16))
    path.rename(gone)
    return gone


def remove(path: Path) -> None:
    """Remove what `move_away` took, a folder, a file or a link."""
    if is_folder(path):
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()
