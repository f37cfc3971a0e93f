"""What lies at a path, for a person who gave the wrong one: what it is, and which command takes it. Needs no torch."""

from __future__ import annotations

import codecs
import json
import os
import shlex
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from titans_core.errors import StoreError

MEMORY = "titanscope memory 1"  # the format that `titans_core.snapshot` writes
_HEAD = 1 << 20  # bytes of a file that are read at most
_MAKES = "`titans trace {} --checkpoint mag --out {}` makes {}"


class Found(NamedTuple):
    """kind: what it is, after "not a run but". use: which command takes it."""

    kind: str
    use: str


def is_run(path: Path) -> bool:
    """Whether this is a Zarr store; `open_trace` says whether it is whole."""
    return os.path.isfile(path / "zarr.json")  # unlike Path.is_file, of names that no file can have too


def holds_runs(path: Path) -> bool:
    """Whether `path` is a run, a .zip (of one, as is seen when it is read) or a folder with NAME.zarr in it."""
    if os.path.isfile(path):
        return zipfile.is_zipfile(path)
    return is_run(path) or (os.path.isdir(path) and any(path.glob("*.zarr")))


def refuse_others(paths: Sequence[Path]) -> None:
    """Raises StoreError for the first of `paths` that is not a run."""
    for path in paths:
        if not is_run(path):
            raise StoreError(refusal(path))


def refusal(path: Path) -> str:
    """Why `path` is no run, and what works: "PATH is not a run but a saved memory; `titans memory PATH` shows ..."."""
    if not os.path.exists(path):
        return f"{path} does not exist; {_MAKES.format('FILE', shlex.quote(str(path)), 'one there')}"
    found = recognised(path)
    return f"{path} is not a run but {found.kind}; {found.use}"


def recognised(path: Path) -> Found:
    """What exists at `path`."""
    quoted = shlex.quote(str(path))
    if path.is_dir():
        return _folder(path, quoted)
    facts = _memory(path)
    if facts is not None:
        name = shlex.quote(str(facts.get("checkpoint", "NAME")))
        goes_on = f"`titans trace FILE --checkpoint {name} --from-memory {quoted} --out RUN.zarr`"
        return Found("a saved memory", f"`titans memory {quoted}` shows what it holds, {goes_on} makes a run from it")
    if zipfile.is_zipfile(path):
        return Found(
            "a .zip file", f"`python -m app {quoted}` opens one of a run, other commands take the folder in it"
        )
    if _is_text(path):
        return Found("a text file", _MAKES.format(quoted, "RUN.zarr", "a run of it"))
    return Found("a file of another kind", _MAKES.format("FILE", "RUN.zarr", "a run"))


def _folder(path: Path, quoted: str) -> Found:
    if (path / "config.json").is_file():
        return Found(
            "the folder of a checkpoint",
            f"`titans trace FILE --checkpoint {quoted} --out RUN.zarr` makes a run with it, "
            f"`python -m app {quoted}` offers it in the dashboard",
        )
    held = sorted(shlex.quote(str(store)) for store in path.glob("*.zarr") if is_run(store))
    if held:
        return Found("a folder of them", f"it holds {' '.join(held[:6])}; `python -m app {quoted}` opens them all")
    return Found("a folder without one", _MAKES.format("FILE", quoted, "one in it"))


def _memory(path: Path) -> dict[str, Any] | None:
    """The facts of a saved memory: from the header of the safetensors file, 8 bytes of its length and then JSON."""
    head = _start(path)
    try:
        about = json.loads(head[8 : 8 + int.from_bytes(head[:8], "little")])["__metadata__"]
        return dict(json.loads(about["facts"])) if about["format"] == MEMORY else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _is_text(path: Path) -> bool:
    head = _start(path)
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # incremental: the last character may be cut
    except UnicodeDecodeError:
        return False
    return bool(head) and b"\0" not in head


def _start(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(_HEAD)
    except OSError:
        return b""
