"""A run as one file: what goes out comes back the same, and what is not whole or not a run is refused in words."""

from __future__ import annotations

import hashlib
import io
import json
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app import runs
from app.exports import bundle as out
from app.jobs import bundle, imports, incoming, store
from titans_core.errors import StoreError

Files = dict[str, bytes]


@pytest.fixture(scope="module")
def exported(finished: dict[str, str]) -> bytes:
    return b"".join(out.whole("A test text", store.root() / finished["mag"]))


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


def test_an_exported_run_comes_back_under_a_new_id(exported: bytes, finished: dict[str, str], store: Path) -> None:
    run = incoming.bring(exported, "mine.titanscope.zip")
    assert run not in finished.values()
    before, after = runs.opened(finished["mag"]), runs.opened(run)
    assert before is not None
    assert after is not None
    xr.testing.assert_identical(after.ds.load(), before.ds.load())
    assert after.title == "A test text"
    for name in ("memory", "began"):
        kept = [(store / one / f"{name}.safetensors") for one in (run, finished["mag"])]
        assert [path.exists() for path in kept] == [name == "memory"] * 2
        assert not kept[0].exists() or kept[0].read_bytes() == kept[1].read_bytes()
    assert not list(store.glob("tmp-*"))


def test_the_file_says_what_it_holds_and_nothing_of_the_server(exported: bytes, finished: dict[str, str]) -> None:
    files = files_of(exported)
    told = json.loads(files[bundle.NAME])
    assert told["files"].keys() == files.keys() - {bundle.NAME}
    assert {"trace.zarr/zarr.json", "memory.safetensors"} <= files.keys()
    for name, (size, digest) in told["files"].items():
        assert (len(files[name]), hashlib.sha256(files[name]).hexdigest()) == (size, digest)
    assert not [name for name in files if name.endswith((".pkl", ".pt", ".pickle"))]
    for secret in (finished["mag"], str(store.root())):
        assert secret.encode() not in b"".join(files.values())
    assert exported == b"".join(out.whole("A test text", store.root() / finished["mag"])), "the same run, the same file"


def test_the_command_takes_the_same_file(exported: bytes, tmp_path: Path) -> None:
    (tmp_path / "run.zip").write_bytes(exported)
    run = imports.add(tmp_path / "run.zip")
    facts = store.facts(run)
    assert facts is not None
    assert facts["title"] == "A test text"
    assert (store.root() / run / "memory.safetensors").is_file()


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


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_is_no_exported_run_is_refused_with_the_reason(
    attack: str, exported: bytes, store: Path, tmp_path: Path
) -> None:
    make, words = ATTACKS[attack]
    (tmp_path / "bad.zip").write_bytes(make(files_of(exported)))
    before = {path.name for path in store.iterdir()}
    with pytest.raises(StoreError, match=r"bad\.zip") as caught:
        imports.add(tmp_path / "bad.zip")
    assert words in str(caught.value)
    assert {path.name for path in store.iterdir()} == before
    assert not list(store.parent.rglob("outside.txt"))


@pytest.mark.parametrize("attack", ["up", "link", "a bit", "bomb"])
def test_the_child_refuses_for_the_page(attack: str, exported: bytes, store: Path) -> None:
    make, words = ATTACKS[attack]
    before = {path.name for path in store.iterdir()}
    with pytest.raises(StoreError, match=r"<b>\.zip") as caught:
        incoming.bring(make(files_of(exported)), "<b>.zip")
    assert words in str(caught.value)
    assert str(store) not in str(caught.value)
    assert {path.name for path in store.iterdir()} == before


def test_a_trace_that_unpacks_to_too_much_ends_its_child_alone(exported: bytes, store: Path) -> None:
    """A chunk that says it is 8 GB: the array is announced so large that reading it breaks the limit of memory."""
    files = files_of(exported)
    name = "trace.zarr/nll/zarr.json"
    told = json.loads(files[name])
    told["shape"] = [2_000_000_000]
    told["chunk_grid"]["configuration"]["chunk_shape"] = [2_000_000_000]
    with pytest.raises(StoreError, match=r"big\.zip"):
        incoming.bring(packed(files | {name: json.dumps(told).encode()}), "big.zip")
    assert not list(store.glob("tmp-*"))


def test_a_title_from_a_file_cannot_break_the_page(exported: bytes) -> None:
    run = incoming.bring(packed(files_of(exported), told={"title": "a\ud800\u202e\n<b>" + "x" * 500}), "x.zip")
    title = (store.facts(run) or {})["title"]
    assert title.startswith("a\ufffd <b>x")
    assert len(title) <= 200
    title.encode()


def test_what_is_too_large_is_refused_before_it_is_read() -> None:
    with pytest.raises(StoreError, match=r"up to 50 MB"):
        incoming.bring(bytes(50_000_001), "x.zip")


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_file_with_changed_bytes_is_refused_in_words_or_is_the_same_run(
    exported: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Half of the changes are in the list of files at the end, which is what an archive is read by."""
    folder = tmp_path_factory.mktemp("changed")
    end = len(exported)
    places = st.integers(0, end - 1) | st.integers(end - 6_000, end - 1)
    changed = bytearray(exported)
    for at, value in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), min_size=1, max_size=4)):
        changed[at] = value
    if data.draw(st.booleans()):
        changed = changed[: data.draw(places)]
    (folder / "x.zip").write_bytes(changed)
    try:
        assert imports.take(folder / "x.zip", folder)["checkpoint"] == "mag"
    except StoreError as error:
        refused = str(error)
        assert str(folder) not in refused
