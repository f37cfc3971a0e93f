"""Where the files that ship with the library are."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent

# An installed wheel carries them inside the package; a checkout has them next to it.
ROOT: Path = next(
    (folder for folder in (_PACKAGE / "assets", _PACKAGE.parent / "assets") if folder.is_dir()),
    _PACKAGE / "assets",
)


def checkpoint_names() -> list[str]:
    """Names of the checkpoints that ship: the paper's variants first, then the yardsticks."""
    order = ("mac", "mag", "mal", "lmm", "transformer", "lightning")
    found = {folder.parent.name for folder in (ROOT / "checkpoints").glob("*/config.json")}
    return [*(name for name in order if name in found), *sorted(found.difference(order))]
