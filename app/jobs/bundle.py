"""One run as one file that a person can keep and send: a .zip that says of each of its files what it must be.

titanscope.json         {"format": 1, "title", "files": {name: [bytes, sha256]}}
trace.zarr/...          the trace
memory.safetensors      the memory at its end, and began.safetensors, that which it began with, where there are such
"""

from __future__ import annotations

import hashlib
import json
import re
import stat
import zipfile
from pathlib import Path
from typing import Any

from titans_core import memory_file
from titans_core.errors import StoreError

NAME = "titanscope.json"
FORMAT = 1
MEMORIES = ("memory.safetensors", "began.safetensors")
MOST_FILES = 20_000
MOST_PACKED = 200  # times that a file may grow when it is unpacked; arrays are packed already
LONGEST = 4_000_000  # bytes of titanscope.json

_PART = r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,99}"
_FILE = re.compile(rf"{re.escape(NAME)}|memory\.safetensors|began\.safetensors|trace\.zarr(?:/{_PART}){{1,12}}")


def holds(names: list[str]) -> bool:
    """Whether an archive of these files is such a one."""
    return NAME in names


def unpack(archive: zipfile.ZipFile, folder: Path, called: str, most: int) -> dict[str, Any]:
    """Judge an archive, then unpack it into `folder`, file by file as its hash is right; what titanscope.json says.

    called: what the archive is called. most: bytes that it may have. Raises StoreError that says what is wrong.
    """
    listed = archive.infolist()
    _judge_names(listed, called)
    _judge_sizes(listed, called, most)
    told = _told(archive, called)
    files = {info.filename: info for info in listed if info.filename != NAME}
    if told["files"].keys() != files.keys():
        odd = sorted(told["files"].keys() ^ files.keys())[0]
        raise StoreError(f"{called} is not whole: {odd} is missing, or is not among the files that {NAME} names")
    if "trace.zarr/zarr.json" not in files:
        raise StoreError(f"{called} holds no trace")
    for name, info in files.items():
        size, digest = told["files"][name]
        if info.file_size != size:
            raise StoreError(f"{called} is damaged: {name} has {info.file_size:,} bytes in place of {size:,}")
        if _write(archive, info, folder / name) != digest:
            raise StoreError(f"{called} is damaged: the content of {name} has changed")
    return told


def _judge_names(listed: list[zipfile.ZipInfo], called: str) -> None:
    if len(listed) > MOST_FILES:
        raise StoreError(f"{called} has {len(listed):,} files, and an exported run has up to {MOST_FILES:,}")
    names = [info.filename for info in listed]
    for info in listed:
        mode = info.external_attr >> 16
        if not _FILE.fullmatch(info.filename) or info.orig_filename != info.filename or info.is_dir():
            raise StoreError(f"{called} holds a file that is no part of a run: {info.orig_filename[:80]!r}")
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
            raise StoreError(f"{called} holds a link or a device in place of a file: {info.filename[:80]!r}")
        if info.flag_bits & 0x1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise StoreError(
                f"{called} holds a file that is encrypted or packed in another way: {info.filename[:80]!r}"
            )
    if len({name.lower() for name in names}) < len(names):
        raise StoreError(f"{called} holds two files of one name")


def _judge_sizes(listed: list[zipfile.ZipInfo], called: str, most: int) -> None:
    total = sum(info.file_size for info in listed)
    if total > most:
        raise StoreError(f"{called} would unpack to {total:,} bytes; up to {most:,} are taken")
    for info in listed:
        if info.file_size > MOST_PACKED * max(info.compress_size, 1) + 1_000:
            raise StoreError(f"{called} is packed like no export: {info.filename[:80]} would grow {MOST_PACKED} times")


def _told(archive: zipfile.ZipFile, called: str) -> dict[str, Any]:
    if archive.getinfo(NAME).file_size > LONGEST:
        raise StoreError(f"{called} has a {NAME} of over {LONGEST:,} bytes")
    try:
        told = json.loads(archive.read(NAME))
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{called} has a {NAME} that is no JSON") from error
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        found = told.get("format") if isinstance(told, dict) else None
        raise StoreError(f"{called} has format {str(found)[:20]}; this version imports format {FORMAT}")
    files = told.get("files")
    if not isinstance(files, dict) or not all(map(_is_told, files.values())):
        raise StoreError(f"{called} has a {NAME} that does not name its files, with their bytes and hashes")
    return told


def _is_told(entry: Any) -> bool:
    return isinstance(entry, list) and [type(part) for part in entry] == [int, str]


def _write(archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path) -> str:
    """Unpack one file; the sha256 of what was in it. zipfile gives never more of it than it says."""
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with archive.open(info) as source, open(target, "xb") as file:
        while part := source.read(1 << 20):
            digest.update(part)
            file.write(part)
    return digest.hexdigest()


def judge_memories(folder: Path, called: str) -> None:
    """Read the memories that came with a run. Raises StoreError, about the archive, unless they are such."""
    for name in MEMORIES:
        if (folder / name).is_file():
            memory_file.read((folder / name).read_bytes(), f"{name} in {called}")
