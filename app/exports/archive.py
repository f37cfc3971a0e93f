"""The trace store of a run as one .zip, in pieces."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

from app.exports.names import Finished, facts, stem
from app.exports.pipe import Pipe


def archive(run: Finished, store: Path) -> Iterator[bytes]:
    """NAME.zarr/..., which tc.open_trace opens once unzipped, and NAME.json: the title, which a store does not hold.

    Raises OSError when the store goes away meanwhile; the download then breaks off and is not taken for whole.
    """
    name = stem([run])
    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_STORED) as target:  # a store is compressed already
        target.writestr(f"{name}.json", json.dumps(facts(run), indent=2, default=str))
        for path in sorted(path for path in store.rglob("*") if path.is_file()):
            target.write(path, f"{name}.zarr/{path.relative_to(store).as_posix()}")
            yield pipe.take()
    yield pipe.take()
