"""Take a trace store from elsewhere, as `titans trace` writes it, into the runs of the app.

The store is copied, then checked, before anything of it is shown: it may be damaged, or made to do harm.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import xarray as xr
import zarr

from app.jobs import bundle, store
from app.jobs.checks import BLOCK, open_checked
from app.samples import samples
from titans_core.documents.names import shown_title
from titans_core.errors import StoreError
from titans_core.moments import moments
from titans_core.record import Recording
from titans_core.signals import BY_HEAD, OUTPUTS, Arrays, by_head, sum_heads

MOST_FILES = 200_000


def stores(path: Path) -> list[Path]:
    """The stores of a `path` that holds runs (titans_core.recognise.holds_runs): itself, or those in it."""
    return [path] if path.is_file() or (path / "zarr.json").is_file() else sorted(path.glob("*.zarr"))


def add(path: Path) -> str:
    """Copy the store (a folder, or a .zip of one) among the runs and return its id; what is there keeps its id.

    Raises StoreError where it is missing, damaged, of another version or larger than what is kept of runs.
    """
    run = secrets.token_hex(16)
    path = path.absolute()
    try:
        draft = store.draft(run)
        facts = take(path, draft)
        known = store.by_origin(facts["origin"])
        if known is not None:
            return known
        store.publish(run, facts)
    except OSError as error:
        raise StoreError(f"{path.name} cannot be copied: {error.strerror or error}") from error
    finally:
        store.discard(run)
    return run


def take(path: Path, draft: Path, called: str = "", most: int | None = None) -> dict[str, Any]:
    """Copy the store (a folder, or a .zip of one, or of an exported run) into `draft`; the facts of the run.

    It is judged before anything of it is used. called: what the file is called, if not as `path`. most: bytes that it
    may unpack to; as many as the app keeps. Raises StoreError, and OSError of the disk.
    """
    source = draft / "source.zarr"
    told = _unpack(path, source, most or store.MAX_BYTES) if path.is_file() else _copy(path, source)
    ds = open_checked(source, path.name)
    bundle.judge_memories(draft, path.name)
    origin = hashlib.sha256((source / "zarr.json").read_bytes()).hexdigest()
    facts = {
        "checkpoint": ds.attrs["checkpoint"],
        "title": title(ds, Path(called) if called else path, told),
        "device": ds.attrs["device"],
        "tokens": int(ds.sizes["token"]),
        "seconds": float(ds.attrs["seconds"]),
        "origin": origin,
    }
    _settle(ds, source, draft / "trace.zarr")
    return facts


def _copy(path: Path, target: Path) -> Any:
    """Copy a store folder; what the file of the same name beside it tells of the run (see exports.archive)."""
    files = list(path.rglob("*"))
    if any(file.is_symlink() for file in (path, *files)):
        raise StoreError(f"{path.name} holds a link to another place; a trace store has none")
    _fits(path.name, len(files), store.size(path), store.MAX_BYTES)
    shutil.copytree(path, target)
    beside = path.with_suffix(".json")
    return _json(beside.read_bytes()) if beside.is_file() and beside.stat().st_size < 1_000_000 else None


def _unpack(path: Path, target: Path, most: int) -> Any:
    """Unpack the one store of a .zip, no file of which may leave `target`; what its NAME.json tells of the run."""
    try:
        with zipfile.ZipFile(path) as archive:
            if bundle.holds(archive.namelist()):
                found = bundle.unpack(archive, target.parent, path.name, most)
                (target.parent / "trace.zarr").rename(target)
                return found
            names = [PurePosixPath(info.filename) for info in archive.infolist()]
            tops = {name.parts[0] for name in names if len(name.parts) > 1}
            if len(tops) != 1 or any(name.is_absolute() or set(name.parts) & {".."} for name in names):
                raise StoreError(f"{path.name} does not hold one trace store; zip the folder NAME.zarr as it is")
            _fits(path.name, len(names), sum(info.file_size for info in archive.infolist()), most)
            for info, name in zip(archive.infolist(), names, strict=True):
                if len(name.parts) > 1 and not info.is_dir():
                    _write(archive, info, target, name)
            beside = [info for info, name in zip(archive.infolist(), names, strict=True) if name.suffix == ".json"]
            told = [info for info in beside if "/" not in info.filename and info.file_size < 1_000_000]
            return _json(archive.read(told[0])) if told else None
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise StoreError(f"{path.name} is not a .zip of a trace store, or is damaged: {error}") from error


def _write(archive: zipfile.ZipFile, info: zipfile.ZipInfo, folder: Path, name: PurePosixPath) -> None:
    """One file of the store into `folder`; zipfile gives never more of it than it says."""
    target = folder.joinpath(*name.parts[1:])
    if not target.resolve().is_relative_to(folder.resolve()):  # a drive letter or a backslash, where those count
        raise StoreError(f"the .zip holds a file that is not part of a store: {name.name[:80]!r}")
    target.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(info) as source, open(target, "wb") as file:
        shutil.copyfileobj(source, file)


def _fits(name: str, files: int, size: int, most: int) -> None:
    if size > most or files > MOST_FILES:
        raise StoreError(f"{name} has {files:,} files of {size:,} bytes; the app keeps up to {most:,} bytes of runs")


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return None


def title(ds: xr.Dataset, path: Path, told: Any = None) -> str:
    """What the page calls the text: as told, as the sample is called, or as the files are."""
    said = told.get("title") if isinstance(told, dict) else None
    if isinstance(said, str) and shown_title(said):
        return shown_title(said)
    for sample in samples():
        if sample.text == ds.attrs["text"]:
            return sample.title
    name = path.name.removesuffix(".zip").removesuffix(".zarr")
    return (path.parent.name or name) if name == ds.attrs["checkpoint"] else name


def _settle(ds: xr.Dataset, source: Path, target: Path) -> None:
    """Make `target` what the page reads: the store itself, or one with heads put together."""
    if not apart(ds):
        source.rename(target)
        return
    put_together(ds, source, target)
    shutil.rmtree(source)


def apart(ds: xr.Dataset) -> bool:
    """Whether the trace keeps heads apart that the page shows together."""
    return any("head" in ds[name].dims for name in ds.data_vars if name not in BY_HEAD)


def put_together(ds: xr.Dataset, source: Path, target: Path) -> None:
    """Write the trace of the store `source` to `target` as it would be without `titans trace --heads`."""
    pieces = json.loads(zarr.open_array(source / "vocabulary_json", mode="r")[:].tobytes())  # type: ignore[union-attr]
    ids, start, end = (ds[name].values for name in ("id", "start", "end"))
    recording = Recording(ids, start, end, pieces, str(ds.attrs["text"]), target)
    for arrays in _without_heads(ds):
        recording.add(arrays)
    recording.finish({name: value for name, value in ds.attrs.items() if name != "text"}, moments(ds))


def _without_heads(ds: xr.Dataset) -> Iterator[Arrays]:
    """The variables of a trace that keeps its heads apart, block by block as `tracing` would have recorded them."""
    for low in range(0, ds.sizes["token"], BLOCK):
        part = slice(low, low + BLOCK)
        values = {str(n): v.variable.isel(token=part).values for n, v in ds.data_vars.items() if n != "id"}
        apart = {n: v for n, v in values.items() if n not in BY_HEAD and n not in OUTPUTS}
        outputs = {n: v for n, v in values.items() if n in OUTPUTS}
        yield {**sum_heads(apart), **by_head(apart), **outputs}
