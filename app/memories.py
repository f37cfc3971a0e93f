"""The memories that the page offers: the shipped checkpoints, and folders of the user's own.

The folders stand in the environment, TITANSCOPE_CHECKPOINTS, so that workers know them too.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import titans_core as tc
from titans_core.assets import ROOT
from titans_core.errors import CheckpointError

_VARIABLE = "TITANSCOPE_CHECKPOINTS"


def is_checkpoint(folder: Path) -> bool:
    """Whether this is the folder of a checkpoint; `offer` looks whether it is whole."""
    return os.path.isfile(folder / "config.json")


def offer(folder: Path) -> str:
    """Offer a checkpoint of the user's own under its folder's name, which is returned. One that ships is there already.

    Raises CheckpointError where the folder lacks a part or its weights are not those that config.json records, and
    where another memory has its name.
    """
    folder = folder.resolve()
    if folder.parent == (ROOT / "checkpoints").resolve() and folder.name in tc.checkpoints():
        return folder.name
    try:
        recorded = json.loads((folder / "config.json").read_text("utf-8"))["weights_sha256"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(f"config.json in {folder} is not one that `titans train` wrote ({error})") from error
    try:
        found = hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest()
    except OSError:
        raise CheckpointError(
            f"{folder} lacks weights.safetensors, which `titans train` writes beside config.json"
        ) from None
    if found != recorded:
        raise CheckpointError(
            f"weights.safetensors in {folder} is not the file that its config.json records; copy both again"
        )
    if os.pathsep in str(folder):
        raise CheckpointError(f"{folder} has a {os.pathsep!r} in its path; move it")
    own = _own()
    if folder.name in tc.checkpoints() or own.get(folder.name, folder) != folder:
        raise CheckpointError(f"a memory named {folder.name!r} is offered already; rename {folder}")
    os.environ[_VARIABLE] = os.pathsep.join(map(str, (own | {folder.name: folder}).values()))
    return folder.name


def names() -> tuple[str, ...]:
    """What can be run, the shipped first."""
    return (*tc.checkpoints(), *(name for name in _own() if name not in tc.checkpoints()))


def folder(name: str) -> Path:
    """Where the checkpoint of this name lies."""
    return ROOT / "checkpoints" / name if name in tc.checkpoints() else _own()[name]


def recorded(name: str) -> dict[str, Any]:
    """config.json of a checkpoint; empty where it is not offered or cannot be read, which loading it will explain."""
    try:
        config: dict[str, Any] = json.loads((folder(name) / "config.json").read_text("utf-8"))
    except (OSError, ValueError, KeyError):
        return {}
    return config


def weights(name: str) -> str:
    """The sha256 that an offered checkpoint records of its weights; "" where there is none."""
    return str(recorded(name).get("weights_sha256", ""))


def remembers(name: str) -> bool:
    """Whether an offered checkpoint has a memory, as far as its record tells."""
    shape = recorded(name).get("model")
    return isinstance(shape, dict) and shape.get("variant") not in ("transformer", "lightning")


def _own() -> dict[str, Path]:
    listed = filter(None, os.environ.get(_VARIABLE, "").split(os.pathsep))
    return {Path(path).name: Path(path) for path in listed}
