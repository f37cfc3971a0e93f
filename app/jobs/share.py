"""Finished runs where every dashboard finds them: a folder or a bucket, given as a URL that fsspec knows.

URL/<id>/<part>/...         the files of an entry, of which nothing is changed once it is whole
URL/<id>/manifest.json      which part is the entry, and what is in it; written last, and without it nothing is there

Two who put the same there write two parts, and either manifest names one that is whole. Nothing is removed here.
"""

from __future__ import annotations

import json
import posixpath
import secrets
from pathlib import PurePosixPath
from typing import Any

from app.jobs import manifest, shelf, store
from titans_core.errors import StoreError


def push(url: str, name: str) -> None:
    """Put the stored entry `name` there, unless it is there or not stored. Raises StoreError where that cannot be."""
    folder = store.root() / name
    told = manifest.read(folder) if shelf.is_id(name) else None
    if told is None:
        return
    try:
        fs, base = _open(url, name)
        if _told(fs, base) is not None:
            return
        part = secrets.token_hex(8)
        there = [f"{base}/{part}/{file}" for file in told["files"]]
        for place in sorted({posixpath.dirname(path) for path in there}):
            fs.makedirs(place, exist_ok=True)
        fs.put([str(folder / file) for file in told["files"]], there)
        fs.pipe_file(f"{base}/{manifest.NAME}", json.dumps(told | {"part": part}).encode())
    except Exception as error:
        raise _unreachable(url, error) from error


def pull(url: str, name: str) -> bool:
    """Store the entry `name` here too; whether it was there. Raises StoreError where it is damaged or out of reach."""
    if not shelf.is_id(name):
        return False
    draft = secrets.token_hex(16)
    try:
        fs, base = _open(url, name)
        told = _told(fs, base)
        if told is None:
            return False
        folder = store.draft(draft)
        here = [folder / file for file in told["files"]]
        for path in here:
            path.parent.mkdir(parents=True, exist_ok=True)
        fs.get([f"{base}/{told['part']}/{file}" for file in told["files"]], [str(path) for path in here])
        for file, (_, digest) in told["files"].items():
            if manifest.sha256(folder / file) != digest:
                raise StoreError(f"the shared run is damaged: {file} has changed since it was written")
        store.settle(draft, name, "the shared run")
    except StoreError:
        raise
    except Exception as error:
        raise _unreachable(url, error) from error
    finally:
        store.discard(draft)
    return True


def _open(url: str, name: str) -> tuple[Any, str]:
    import fsspec  # noqa: PLC0415 (of the extra `cluster`)

    fs, root = fsspec.core.url_to_fs(url)
    return fs, f"{root.rstrip('/')}/{name}"


def _told(fs: Any, base: str) -> dict[str, Any] | None:
    """The manifest there; None where there is none that can be read. Raises StoreError for one that leads elsewhere."""
    try:
        told = json.loads(fs.cat_file(f"{base}/{manifest.NAME}"))
    except (FileNotFoundError, ValueError, RecursionError):
        return None
    if not isinstance(told, dict) or not isinstance(told.get("part"), str) or not manifest.is_whole(told):
        return None
    for file in (told["part"], *told["files"]):
        path = PurePosixPath(file)
        if path.is_absolute() or {"..", "."} & set(file.split("/")) or "\\" in file:
            raise StoreError("the shared run is damaged: it names a file that is not its own")
    return told


def _unreachable(url: str, error: Exception) -> StoreError:
    scheme = url.partition("://")[0]  # the rest may hold a name of a machine
    return StoreError(f"the shared results ({scheme}://...) cannot be reached: {type(error).__name__}")
