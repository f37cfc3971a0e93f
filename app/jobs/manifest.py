"""What a stored entry consists of: manifest.json, written last, without which nothing is an entry.

{"format": 1, "bytes": of all files, "files": {"trace.zarr/zarr.json": [bytes, sha256], ...}}
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.jobs import shelf

NAME = "manifest.json"
FORMAT = 1
CHANGING = frozenset({"label.json", "used.json"})  # what a person calls the entry, and when it was last used
CHEAP = 32_000_000  # bytes of an entry whose hashes are worth the time when it is opened: a tenth of a second
_OF_THE_SYSTEM = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})  # left by file managers


def write(folder: Path) -> int:
    """Have the disk hold all files of a draft, then write its manifest; the bytes of the files."""
    files = {path.relative_to(folder).as_posix(): path for path in _walk(folder) if not shelf.is_folder(path)}
    sizes = {name: path.lstat().st_size for name, path in files.items()}
    known = {name: [sizes[name], sha256(files[name])] for name in sorted(files)}
    total = sum(sizes.values())
    for path in _walk(folder):
        shelf.sync(path)
    shelf.write_json(folder / NAME, {"format": FORMAT, "bytes": total, "files": known})
    shelf.sync(folder)
    return total


def sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read(folder: Path) -> dict[str, Any] | None:
    """The manifest of an entry; None where there is none of this version."""
    found = shelf.read_json(folder / NAME)
    return found if found is not None and is_whole(found) else None


def is_whole(found: dict[str, Any]) -> bool:
    """Whether this is a manifest of this version."""
    files, known = found.get("files"), found.get("format") == FORMAT and type(found.get("bytes")) is int
    return known and isinstance(files, dict) and all(map(_told, files.values()))


def _told(entry: Any) -> bool:
    return isinstance(entry, list) and [type(part) for part in entry] == [int, str]


def weight(folder: Path) -> int:
    """Bytes that an entry takes, without a look at each of its files."""
    found = read(folder)
    return shelf.size(folder) if found is None else found["bytes"] + sum(map(_size, _own(folder)))


def _own(folder: Path) -> Iterator[Path]:
    yield from (folder / name for name in (NAME, *CHANGING))


def _size(path: Path) -> int:
    return path.lstat().st_size if shelf.is_file(path) else 0


def wrong(folder: Path, *, hashes: bool = False) -> str:
    """What is wrong with an entry, naming the file; "" where it is whole. hashes: read files too, unless they are many.

    Nothing that is no regular file is opened, and no link is followed.
    """
    if not shelf.is_folder(folder):
        return "it is a link or a file, and no folder"
    found = read(folder)
    if found is None:
        return f"{NAME} is missing or cannot be read"
    there = {path.relative_to(folder).as_posix(): path for path in _walk(folder) if not shelf.is_folder(path)}
    problems = (_foreign(there, found["files"]), _changed(there, found, hashes), _unread(there))
    return next((problem for problem in problems if problem), "")


def _foreign(there: dict[str, Path], told: dict[str, Any]) -> str:
    for name, path in there.items():
        if not shelf.is_file(path):
            return f"{name} is a link or no regular file"
        if name not in told and name not in (NAME, *CHANGING) and path.name not in _OF_THE_SYSTEM:
            return f"{name} does not belong to it"
    return ""


def _changed(there: dict[str, Path], found: dict[str, Any], hashes: bool) -> str:
    for name, (size, digest) in found["files"].items():
        if name not in there:
            return f"{name} is missing"
        if there[name].lstat().st_size != size:
            return f"{name} has {there[name].lstat().st_size:,} bytes in place of {size:,}"
        if hashes and found["bytes"] <= CHEAP and sha256(there[name]) != digest:
            return f"{name} has changed since it was written"
    return ""


def _unread(there: dict[str, Path]) -> str:
    facts = [name for name in ("run.json", "subject.json") if name in there]
    return next((f"{name} cannot be read" for name in facts if shelf.read_json(there[name]) is None), "")


def _walk(folder: Path) -> Iterator[Path]:
    """All that lies in a folder, deepest first; links as they are."""
    for base, folders, files in os.walk(folder, topdown=False, followlinks=False):
        yield from (Path(base, name) for name in (*files, *folders))
