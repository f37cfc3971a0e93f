"""What a headless run wrote, drawn: the JSON of `titans recall`, `retention` and `niah` as SVG files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from app import theme
from app.exports import draw_grid, draw_recall, draw_retention
from app.exports.names import safe
from app.exports.standalone import named, standalone
from titans_core.errors import StoreError

MOST = 200_000_000  # bytes of a file that are read
FORMAT = 1
# What tells the files of a command from those of others.
KINDS = {
    "recall": {"fact", "cue", "results"},
    "niah": {"haystack", "results"},
    "retention": {"document_sha256", "results"},
}
_BAD_DATA = (KeyError, ValueError, TypeError, IndexError, AttributeError, ArithmeticError)


class Drawing(NamedTuple):
    """name: what the file is called after the name of what it was drawn from, with its ending."""

    name: str
    data: bytes


def drawings(path: Path) -> list[Drawing]:
    """Raises StoreError for a file that none of the commands wrote, that holds no result yet, or is damaged."""
    found = _read(path)
    kind = next((kind for kind, keys in KINDS.items() if keys <= found.keys()), None)
    if kind is None:
        raise _other(path, "its JSON is not of their form")
    if found.get("format") != FORMAT:
        raise StoreError(f"{path} is of another version of `titans {kind}`; make it again with this one")
    try:
        results = list(found["results"])
        if not results:
            raise StoreError(f"{path} holds no result yet; let `titans {kind}` finish the first memory or cell")
        return list({"recall": _recall, "retention": _retention, "niah": _niah}[kind](found, results))
    except StoreError:
        raise
    except _BAD_DATA as error:
        what = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
        raise StoreError(f"{path} is damaged, or not what `titans {kind}` wrote: {what[:200]}") from error


def _recall(found: dict[str, Any], results: list[dict[str, Any]]) -> Iterator[Drawing]:
    yield Drawing("said.svg", _together(draw_recall.said(results), results))
    for name, one in _each(results):
        yield Drawing(f"memory-{name}.svg", _together(draw_recall.held(one), [one]))


def _retention(found: dict[str, Any], results: list[dict[str, Any]]) -> Iterator[Drawing]:
    for name, one in _each(results):
        yield Drawing(f"map-{name}.svg", _together(draw_retention.maps(one), [one]))
    yield Drawing("forgetting.svg", _together(draw_retention.curves(results), results))


def _niah(found: dict[str, Any], results: list[dict[str, Any]]) -> Iterator[Drawing]:
    yield Drawing("grid.svg", standalone(draw_grid.grids(found, results)))


def _together(chart: str, results: list[dict[str, Any]]) -> bytes:
    checkpoints = [str(one["checkpoint"]) for one in results]
    return standalone(chart, named(checkpoints, [theme.label(name) for name in checkpoints]))


def _each(results: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each result with a name for its file; the same memory with other weights gets a number."""
    used: dict[str, int] = {}
    for one in results:
        name = safe(str(one["checkpoint"]), "memory", 24)
        used[name] = used.get(name, 0) + 1
        yield (name if used[name] == 1 else f"{name}-{used[name]}"), one


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MOST:
            raise _other(path, f"it has more than {MOST:,} bytes")
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise _other(path, "it is no JSON") from None
    if not isinstance(found, dict):
        raise _other(path, "its JSON is not of their form")
    return found


def _other(path: Path, why: str) -> StoreError:
    return StoreError(
        f"{path} cannot be drawn: {why}; give the --out of `titans recall`, `titans retention`, `titans niah` or "
        "`titans trace`"
    )
