"""The store: what readers see is whole, and damage is named and set aside."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from app.jobs import damaged, manifest, shelf, store
from tests.storing import A, B, C, D, put, there
from titans_core.errors import StoreError

ROOT = Path(__file__).parents[2]


def test_an_entry_is_there_when_its_manifest_is(folder: Path) -> None:
    put(A)
    told = json.loads((folder / A / "manifest.json").read_text())
    assert set(told["files"]) == {"run.json", "trace.zarr/zarr.json", "trace.zarr/c/0"}
    assert told["files"]["trace.zarr/c/0"] == [1_000, manifest.sha256(folder / A / "trace.zarr" / "c" / "0")]
    assert store.trace(A) == folder / A / "trace.zarr"
    (folder / A / "manifest.json").unlink()
    assert store.facts(A) is None
    assert store.trace(A) is None


def lose(entry: Path) -> None:
    (entry / "trace.zarr" / "c" / "0").unlink()


def shorten(entry: Path) -> None:
    (entry / "trace.zarr" / "c" / "0").write_bytes(b"x" * 999)


def bad_json(entry: Path) -> None:
    told = (entry / "run.json").read_bytes()
    (entry / "run.json").write_bytes(b"{" * len(told))


def bad_manifest(entry: Path) -> None:
    (entry / "manifest.json").write_text('{"format": 1, "bytes": 3, "files": {"a": 3}}')


def link_inside(entry: Path) -> None:
    (entry / "trace.zarr" / "c" / "0").unlink()
    (entry / "trace.zarr" / "c" / "0").symlink_to("/etc/passwd")


def link_in_place(entry: Path) -> None:
    entry.rename(entry.with_name("moved"))
    entry.symlink_to("/etc")


def foreign(entry: Path) -> None:
    (entry / "trace.zarr" / "virus.exe").write_bytes(b"MZ")


def file_in_place(entry: Path) -> None:
    entry.rename(entry.with_name("moved"))
    entry.write_text("x")


DAMAGE: dict[Callable[[Path], None], str] = {
    lose: "trace.zarr/c/0 is missing",
    shorten: "trace.zarr/c/0 has 999 bytes in place of 1,000",
    bad_json: "run.json cannot be read",
    bad_manifest: "manifest.json is missing or cannot be read",
    link_inside: "trace.zarr/c/0 is a link or no regular file",
    link_in_place: "it is a link or a file, and no folder",
    foreign: "trace.zarr/virus.exe does not belong to it",
    file_in_place: "it is a link or a file, and no folder",
}


@pytest.mark.parametrize("harm", DAMAGE, ids=lambda harm: harm.__name__)
def test_what_is_damaged_is_set_aside_and_named(
    folder: Path, harm: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    put(A)
    put(B)
    harm(folder / A)
    with caplog.at_level(logging.WARNING):
        store.sweep()
    assert there(folder) == "b"
    assert store.facts(A) is None
    note = damaged.of(A)
    assert note is not None
    assert note.reason == DAMAGE[harm]
    assert DAMAGE[harm] in caplog.text
    assert "Run a" not in caplog.text, "no title in the log"
    assert Path("/etc/passwd").exists()
    (kept,) = damaged.all_of_it()
    assert kept.name.startswith(A)
    store.sweep()
    assert store.trace(B) is not None


def test_a_changed_bit_is_found_when_a_run_is_opened(folder: Path) -> None:
    put(A)
    (folder / A / "trace.zarr" / "c" / "0").write_bytes(b"x" * 999 + b"y")
    with pytest.raises(StoreError, match=r"trace\.zarr/c/0 has changed since it was written"):
        store.examine(A)
    assert store.facts(A) is None
    store.examine(A)


def test_what_the_system_left_and_what_is_no_entry_stay(folder: Path) -> None:
    put(A)
    (folder / A / "trace.zarr" / ".DS_Store").write_bytes(b"x")
    (folder / "not-a-run").mkdir()
    (folder / "note.txt").write_text("mine")
    store.sweep()
    assert there(folder) == "a"
    assert (folder / "not-a-run").is_dir()
    assert (folder / "note.txt").read_text() == "mine"


def test_the_first_of_two_of_one_id_stays_and_a_damaged_one_gives_way(folder: Path) -> None:
    put(B, name=A, answer={"tokens": 1})
    put(C, name=A, answer={"tokens": 2})
    assert store.answer(A) == {"tokens": 1}
    (folder / A / "run.json").write_text('{"answer": {"tok')
    assert store.answer(A) is None
    put(D, name=A, answer={"tokens": 3})
    assert store.answer(A) == {"tokens": 3}
    assert there(folder) == "a"
    assert not list(folder.glob("tmp-*"))


def test_two_processes_that_write_one_id_leave_one_whole_entry(folder: Path) -> None:
    code = (
        "import secrets; from tests.storing import put\n"
        "for k in range(20): put(secrets.token_hex(16), 5_000 + k, '%032x' % k)"
    )
    env = os.environ | {"TITANSCOPE_RUNS": str(folder)}
    both = [subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=env) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    entries = [path for path in folder.iterdir() if shelf.is_id(path.name)]
    assert len(entries) == 20
    assert not any(manifest.wrong(path, hashes=True) for path in entries)
    assert not list(folder.glob("tmp-*"))
