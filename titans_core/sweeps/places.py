"""Where results are kept: a folder, or anything fsspec has a name for. A file is there whole, or not at all."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from titans_core.errors import StoreError


class Place(Protocol):
    """Names are relative, with slashes. All of it raises StoreError where the place cannot be read or written."""

    def names(self, folder: str) -> set[str]:
        """Of the files in it; none where there is no such folder."""

    def read(self, name: str) -> bytes: ...

    def write(self, name: str, data: bytes) -> None:
        """In place of what was there; all of it or nothing."""

    def move(self, name: str, to: str) -> None: ...


def place(where: str | Path) -> Place:
    """A folder, or a URL of fsspec such as "s3://bucket/sweep". Nothing is made or asked for yet.

    Raises StoreError for a URL of a kind that is unknown or whose package is not installed.
    """
    return _Remote(str(where)) if "://" in str(where) else _Folder(Path(where))


@contextmanager
def _told(what: object) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        why = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
        raise StoreError(f"results cannot be kept in {what}: {why}") from error


class _Folder:
    def __init__(self, root: Path) -> None:
        self.root = root

    def names(self, folder: str) -> set[str]:
        with _told(self.root):
            at = self.root / folder
            return {path.name for path in at.iterdir()} if at.is_dir() else set()

    def read(self, name: str) -> bytes:
        with _told(self.root):
            return (self.root / name).read_bytes()

    def write(self, name: str, data: bytes) -> None:
        with _told(self.root):
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f".{path.name}.{os.getpid()}.partial")
            try:
                with open(part, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(part, path)
            finally:
                part.unlink(missing_ok=True)
            _sync(path.parent)

    def move(self, name: str, to: str) -> None:
        with _told(self.root):
            (self.root / to).parent.mkdir(parents=True, exist_ok=True)
            os.replace(self.root / name, self.root / to)


def _sync(folder: Path) -> None:
    """So that a name that was just given is there after the power fails."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class _Remote:
    """By fsspec. Objects of a store are there whole or not at all; elsewhere a torn one does not fit its sha256."""

    def __init__(self, url: str) -> None:
        self.url = url
        try:
            self.files: Any
            self.files, self.root = importlib.import_module("fsspec.core").url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise StoreError(f"results cannot be kept in {url}: {error}") from None

    def names(self, folder: str) -> set[str]:
        with _told(self.url):
            self.files.invalidate_cache()
            try:
                found = self.files.ls(f"{self.root}/{folder}", detail=False)
            except FileNotFoundError:
                return set()
            return {path.rstrip("/").rpartition("/")[2] for path in found}

    def read(self, name: str) -> bytes:
        with _told(self.url):
            return bytes(self.files.cat_file(f"{self.root}/{name}"))

    def write(self, name: str, data: bytes) -> None:
        with _told(self.url):
            self._at(name, lambda path: self.files.pipe_file(path, data))

    def move(self, name: str, to: str) -> None:
        with _told(self.url):
            self._at(to, lambda path: self.files.mv(f"{self.root}/{name}", path))

    def _at(self, name: str, act: Callable[[str], object]) -> None:
        """In a folder that is made if that is needed: an object store has none, and may not let one ask."""
        path = f"{self.root}/{name}"
        try:
            act(path)
        except FileNotFoundError:
            self.files.makedirs(path.rpartition("/")[0], exist_ok=True)
            act(path)
