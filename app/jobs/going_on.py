"""What a run takes from a memory and leaves as one: files beside its trace. For the worker, which holds torch."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from app.jobs import store
from titans_core.errors import StoreError


def state(model: Any, begin: str, folder: Path) -> Any:
    """The state to read from, whose memory is kept in `folder` too; None for an empty one.

    begin: as in Job. Raises StoreError where it is gone or damaged, ConfigError where it is of another model.
    """
    from titans_core import snapshot  # noqa: PLC0415

    if not begin:
        return None
    path = store.memory(begin)
    if path is None:
        raise StoreError("the memory to begin with is not stored here any more; read its text again")
    own = folder / "began.safetensors"
    shutil.copyfile(path, own)
    return snapshot.begin(model, snapshot.load(own))


def keep(model: Any, after: Any, title: str, ds: Any, folder: Path) -> None:
    """Keep the memory at the end of a run in `folder`: none of a model without one, nor of a run that diverged."""
    from titans_core import snapshot  # noqa: PLC0415

    if model.config.has_memory and "diverged" not in ds.attrs:
        kept = snapshot.take(model, after, title, text_sha256=ds.attrs["text_sha256"])
        snapshot.save(kept, folder / "memory.safetensors")
