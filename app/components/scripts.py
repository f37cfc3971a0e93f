"""The JavaScript of components that draw on a canvas: plain files in one scope, those in shared/ first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

_SHARED = Path(__file__).parent / "shared"


def joined(folder: Path, names: Sequence[str]) -> str:
    """What all canvases share, and then these files of a folder, in order."""
    shared = (_SHARED / f"{name}.js" for name in ("blob", "words", "colour", "canvas", "svg", "look"))
    return "\n".join(path.read_text(encoding="utf-8") for path in (*shared, *(folder / name for name in names)))
