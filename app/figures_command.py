"""`python -m app figures RUN`: what a headless run wrote, as SVG files beside it."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from app.exports import traced, written
from app.exports.names import safe
from app.exports.written import Drawing
from app.jobs import imports
from titans_core.errors import StoreError, TitansError
from titans_core.outputs import output_folder
from titans_core.recognise import holds_runs, refusal


def main(given: Sequence[str]) -> None:
    """Writes the files and prints their names; ends with a message and status 2 for what cannot be drawn."""
    parser = argparse.ArgumentParser(prog="python -m app figures", description="Draw what a headless run wrote.")
    parser.add_argument(
        "runs",
        nargs="+",
        type=Path,
        metavar="RUN",
        help="what `titans recall`, `titans retention` or `titans niah` wrote as --out NAME.json, or `titans trace` as "
        "--out RUN.zarr or as a folder of such, whose runs are drawn together",
    )
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where the files go (default: beside each RUN)")
    asked = parser.parse_args(given)
    try:
        for path in asked.runs:
            for target in draw(path, asked.out):
                print(target)
    except TitansError as error:
        parser.error(str(error))


def draw(path: Path, out: Path | None = None) -> list[Path]:
    """The files written, each called after `path` and what it shows; those of an earlier time are replaced.

    Raises StoreError for what cannot be drawn, ConfigError where nothing can be written.
    """
    found = _drawings(path)
    folder = path.absolute().parent if out is None else out
    stem = safe(path.name.removesuffix(".zarr").removesuffix(".json"), "run")
    with output_folder(folder):
        return [_write(folder / f"{stem}-{drawing.name}", drawing) for drawing in found]


def _drawings(path: Path) -> list[Drawing]:
    if path.is_dir() and holds_runs(path):
        return traced.drawn(imports.stores(path))
    if not path.exists() and path.suffix == ".json":
        raise StoreError(
            f"{path} does not exist; `titans recall`, `titans retention` and `titans niah` write such files"
        )
    if path.is_dir() or not path.exists():
        raise StoreError(refusal(path))
    return written.drawings(path)


def _write(target: Path, drawing: Drawing) -> Path:
    part = target.with_name(f".{target.name}.partial")
    try:
        part.write_bytes(drawing.data)
        os.replace(part, target)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise StoreError(f"{target} cannot be written: {error.strerror}") from None
    return target
