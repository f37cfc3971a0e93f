"""Exported runs that are damaged or made to do harm, with the words in which each is refused."""

from __future__ import annotations

import hashlib
import io
import json
import stat
import zipfile
from collections.abc import Callable
from typing import Any

from app.jobs import bundle

Files = dict[str, bytes]


def files_of(data: bytes) -> Files:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(files: Files, *, told: dict[str, Any] | None = None, how: int = zipfile.ZIP_STORED) -> bytes:
    """An archive of these files whose titanscope.json is right about them, but for what is `told` otherwise."""
    known = {name: [len(data), hashlib.sha256(data).hexdigest()] for name, data in files.items() if name != bundle.NAME}
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", how) as archive:
        archive.writestr(bundle.NAME, json.dumps({"format": 1, "title": "T", "files": known} | (told or {})))
        for name, data in files.items():
            if name != bundle.NAME:
                archive.writestr(name, data)
    return written.getvalue()


def flipped(files: Files) -> bytes:
    name = next(name for name in files if name.startswith("trace.zarr/surprise/c/"))
    known = packed(files)
    changed = files | {name: files[name][:-1] + bytes([files[name][-1] ^ 1])}
    return packed(changed, told=json.loads(files_of(known)[bundle.NAME]))


def named(name: str, data: bytes = b"x") -> Callable[[Files], bytes]:
    return lambda files: packed(files | {name: data})


def linked(files: Files) -> bytes:
    written = io.BytesIO(packed(files))
    with zipfile.ZipFile(written, "a") as archive:
        info = zipfile.ZipInfo("trace.zarr/secret")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    return written.getvalue()


def bomb(files: Files) -> bytes:
    return packed(files | {"trace.zarr/zeros": bytes(60_000_000)}, how=zipfile.ZIP_DEFLATED)


def huge(files: Files) -> bytes:
    """Says of one file that it unpacks to four gigabytes."""
    data = bytearray(packed(files))
    at = data.rindex(b"PK\x01\x02")
    data[at + 24 : at + 28] = (0xFFFFFFF0).to_bytes(4, "little")
    return bytes(data)


def twice(files: Files) -> bytes:
    return packed(files | {"trace.zarr/ZARR.json": b"{}"})


def many(files: Files) -> bytes:
    return packed(files | {f"trace.zarr/x{k}": b"" for k in range(20_001)})


def locked(files: Files) -> bytes:
    data = bytearray(packed(files))
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


def less(files: Files) -> bytes:
    told = json.loads(files_of(packed(files))[bundle.NAME])
    return packed({name: data for name, data in files.items() if name != "trace.zarr/nll/zarr.json"}, told=told)


ATTACKS: dict[str, tuple[Callable[[Files], bytes], str]] = {
    "no archive": (lambda files: b"MZ" * 500, "is not a .zip of a trace store"),
    "empty": (lambda files: b"", "is not a .zip of a trace store"),
    "cut short": (lambda files: packed(files)[:-200], "is not a .zip of a trace store"),
    "up": (named("trace.zarr/../../outside.txt"), "no part of a run"),
    "absolute": (named("/etc/cron.d/x"), "no part of a run"),
    "backslash": (named("trace.zarr\\..\\x"), "no part of a run"),
    "drive": (named("C:x"), "no part of a run"),
    "hidden": (named("trace.zarr/.ssh"), "no part of a run"),
    "pickle": (named("model.pkl", b"cos\nsystem\n(S'touch /tmp/pwned'\ntR."), "no part of a run"),
    "run.json": (named("run.json", b"{}"), "no part of a run"),
    "deep": (named("trace.zarr" + "/a" * 13), "no part of a run"),
    "link": (linked, "a link or a device"),
    "two of a name": (twice, "two files of one name"),
    "bomb": (bomb, "packed like no export"),
    "a size that lies": (huge, "would unpack to"),
    "many": (many, "files, and an exported run has up to"),
    "encrypted": (locked, "encrypted or packed in another way"),
    "one is missing": (less, "trace.zarr/nll/zarr.json is missing"),
    "a bit": (flipped, "has changed"),
    "another format": (lambda files: packed(files, told={"format": 2}), "has format 2; this version imports format 1"),
    "no hashes": (
        lambda files: packed(files, told={"files": {"trace.zarr/zarr.json": 3}}),
        "with their bytes and hashes",
    ),
    "a wrong memory": (
        lambda files: packed(files | {"memory.safetensors": b"x" * 900}),
        "memory.safetensors in bad.zip",
    ),
    "no trace": (lambda files: packed({"memory.safetensors": files["memory.safetensors"]}), "holds no trace"),
    "a damaged trace": (lambda files: packed(files | {"trace.zarr/nll/zarr.json": b"{}"}), "damaged"),
    "an array without a shape": (
        lambda files: packed(
            files | {"trace.zarr/nll/zarr.json": files["trace.zarr/nll/zarr.json"].replace(b'"shape"', b'"shape_"')}
        ),
        "damaged",
    ),
}
