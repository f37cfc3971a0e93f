"""The place a command writes to, tried before its work begins and tidied up if nothing came of it. Needs no torch."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

from titans_core.errors import ConfigError


@contextmanager
def output_folder(folder: Path, name: str = ".titans", option: str = "--out") -> Iterator[None]:
    """`folder` as one that is there and can be written to; made, with its parents, if it is not.

    What was made and is empty at the end is removed. name: of a file to come, which must leave room for eight more
    characters, those of a temporary name. option: that gave it. Raises ConfigError where no such file can be made.
    """
    made = [path for path in (folder, *folder.parents) if not os.path.lexists(path)]
    try:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # tried, not asked: permissions alone do not tell of a full or read-only disk, or of /proc
            with NamedTemporaryFile(prefix=name, dir=folder):
                pass
        except OSError as error:
            raise ConfigError(_refusal(folder, error, option)) from None
        yield
    finally:
        for path in made:
            with suppress(OSError):  # it holds something, or was never made
                path.rmdir()


@contextmanager
def output_file(path: Path) -> Iterator[None]:
    """The same for the folder of a file `path`. Also raises ConfigError where `path` is a folder."""
    if os.path.isdir(path):
        raise ConfigError(f"--out {path} is a folder; give the name of a file, such as {path / 'evaluation.json'}")
    with output_folder(path.parent, path.name):
        yield


def _refusal(folder: Path, error: OSError, option: str) -> str:
    existing = next(path for path in (folder, *folder.parents, Path()) if os.path.lexists(path))
    why = error.strerror if os.path.isdir(existing) else f"{existing} is a file, not a folder"
    return f"{option}: nothing can be written in {folder}: {why}; give one in a folder that you can write to"
