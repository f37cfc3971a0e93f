"""A run as one file to keep and send, in pieces: see app.jobs.bundle for what is in it."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

from app.exports.pipe import Pipe
from app.jobs import bundle, manifest
from titans_core.errors import StoreError

_PIECE = 1 << 20
_TIME = (1980, 1, 1, 0, 0, 0)  # of every file, so that the same run is the same archive


def whole(title: str, entry: Path) -> Iterator[bytes]:
    """The archive of a stored run. No id is in it: whoever has the file cannot find the run on this server.

    Raises StoreError before the first piece where the run is not whole, and OSError when it goes away meanwhile; the
    download then breaks off, and is not taken for whole.
    """
    stored = manifest.read(entry)
    if stored is None:
        raise StoreError("the run is not stored whole")
    files = {name: told for name, told in stored["files"].items() if _is_part(name)}
    return _pieces({"format": bundle.FORMAT, "title": title, "files": files}, entry)


def _is_part(name: str) -> bool:
    return name.startswith("trace.zarr/") or name in bundle.MEMORIES


def _pieces(told: dict[str, object], entry: Path) -> Iterator[bytes]:
    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_STORED) as target:  # arrays are packed already
        target.writestr(zipfile.ZipInfo(bundle.NAME, _TIME), json.dumps(told, indent=1))
        for name in told["files"]:  # type: ignore[attr-defined]
            info = zipfile.ZipInfo(name, _TIME)
            info.file_size = (entry / name).lstat().st_size
            with open(entry / name, "rb") as source, target.open(info, "w") as file:
                while part := source.read(_PIECE):
                    file.write(part)
                    yield pipe.take()
        yield pipe.take()
    yield pipe.take()
