"""The store: what readers see is whole, what is in use stays, all of it fits, and damage is named and set aside."""

from __future__ import annotations

import errno
import json
import logging
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app import runs
from app.jobs import Job, clock, damaged, labels, leases, manifest, room, shelf, store, telling
from app.jobs.library import Library
from titans_core import storage
from titans_core.errors import StoreError

ROOT = Path(__file__).parents[2]
A, B, C, D = ("a" * 32, "b" * 32, "c" * 32, "d" * 32)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TITANSCOPE_RUNS", str(tmp_path))
    return tmp_path


def put(run: str, size: int = 1_000, name: str = "", **facts: Any) -> str:
    draft = store.draft(run)
    (draft / "trace.zarr" / "c").mkdir(parents=True)
    (draft / "trace.zarr" / "zarr.json").write_text("{}")
    (draft / "trace.zarr" / "c" / "0").write_bytes(b"x" * size)
    store.publish(run, {"checkpoint": "mac", "title": f"Run {run[0]}", "tokens": 3} | facts, name)
    return name or run


def there(folder: Path) -> str:
    """The first letters of what is stored."""
    return "".join(sorted(path.name[0] for path in folder.iterdir() if shelf.is_id(path.name)))


def taken(folder: Path) -> int:
    return sum(shelf.size(path) for path in folder.iterdir() if shelf.is_id(path.name) or path.name == "quarantine")


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
        "import sys; sys.path.insert(0, 'tests/app'); import test_store as t\n"
        "for k in range(20): t.put(t.shelf.secrets.token_hex(16), 5_000 + k, '%032x' % k)"
    )
    env = os.environ | {"TITANSCOPE_RUNS": str(folder)}
    both = [subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=env) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    entries = [path for path in folder.iterdir() if shelf.is_id(path.name)]
    assert len(entries) == 20
    assert not any(manifest.wrong(path, hashes=True) for path in entries)
    assert not list(folder.glob("tmp-*"))


def test_all_of_it_fits_after_every_write_and_what_was_unused_longest_goes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "MAX_BYTES", 3 * (10_000 + room.ALLOWANCE + 2_000))
    for run in (A, B, C):
        put(run, 10_000)
    store.look("somebody", [A])
    store.look("somebody", [])
    put(D, 10_000)
    assert there(folder) == "acd"
    assert taken(folder) <= store.MAX_BYTES
    assert store.facts(B) is None, "expired, for who has its link"


def test_what_is_open_or_pinned_stays_and_the_next_is_refused_in_words(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "MAX_BYTES", 2 * (10_000 + room.ALLOWANCE + 2_000))
    library = Library("somebody")
    library.add(put(A, 10_000), own=True)
    library.pin(A, True)
    store.look("a session", [put(B, 10_000)])
    with pytest.raises(StoreError, match="pinned or open take the rest"):
        put(C, 10_000)
    store.discard(C)
    monkeypatch.setattr(clock, "_began", clock._began + 2 * store.MAX_AGE)
    store.sweep()
    assert there(folder) == "ab", "age takes neither"
    store.look("a session", [])
    put(C, 10_000)
    assert there(folder) == "ac"
    library.add(C, own=True)
    with pytest.raises(StoreError, match="pinned runs may take"):
        library.pin(C, True)


def test_what_another_process_has_open_stays(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(A)
    code = f"from app.jobs import store; store.look('x', ['{A}']); print('open', flush=True); input()"
    env = os.environ | {"TITANSCOPE_RUNS": str(folder)}
    other = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "open\n"
    monkeypatch.setattr(store, "MAX_AGE", -1.0)
    store.sweep()
    assert there(folder) == "a"
    other.kill()
    other.communicate()
    store.sweep()
    assert there(folder) == "", "nothing stays in use after the death of who used it"


def test_a_run_that_is_larger_than_the_store_is_refused_and_takes_nothing_away(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "MAX_BYTES", 20_000)
    put(A)
    with pytest.raises(StoreError, match="this server keeps 20,000 bytes of runs in all; a shorter text takes less"):
        put(B, 30_000)
    store.discard(B)
    assert there(folder) == "a"
    assert not list(folder.glob("tmp-*"))
    monkeypatch.setattr(store, "MAX_BYTES", 1)
    store.sweep()
    assert there(folder) == ""


def test_drafts_of_the_dead_go_and_those_of_the_living_stay(folder: Path) -> None:
    living = store.draft(A)
    (folder / f"tmp-{B}").mkdir()
    (folder / f"tmp-{C}").write_text("part of a file")
    long_ago = time.time() - 10 * store.MAX_AGE
    os.utime(living, (long_ago, long_ago))
    store.sweep()
    assert [path.name for path in folder.glob("tmp-*")] == [f"tmp-{A}"]
    store.discard(A)


def test_what_nobody_used_for_long_goes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for run in (A, B, C):
        put(run)
    monkeypatch.setattr(clock, "_began", clock._began + store.MAX_AGE + 1)
    store.touch(A)
    store.sweep(keep=frozenset({A, B}))
    assert there(folder) == "ab", "what jobs make use of stays"
    store.sweep()
    assert there(folder) == "a"


@pytest.mark.parametrize("jump", [-3600.0, 365 * 24 * 3600.0])
def test_a_clock_that_is_set_changes_neither_order_nor_age(
    folder: Path, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    put(A)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + jump)
    put(B)
    store.sweep()
    assert there(folder) == "ab"
    order = [(store.facts(run) or {})["sequence"] for run in (A, B)]
    assert order == sorted(order)
    assert labels.use(folder / B).age < 60
    assert [entry.path.name for entry in room.entries()] == [A, B]


@pytest.mark.parametrize("jump", [-3600.0, 365 * 24 * 3600.0])
def test_entries_of_a_process_whose_clock_was_wrong(folder: Path, monkeypatch: pytest.MonkeyPatch, jump: float) -> None:
    monkeypatch.setattr(clock, "_began", clock._began + jump)
    put(A)
    monkeypatch.setattr(clock, "_began", clock._began - jump)
    put(B)
    assert labels.use(folder / A).age >= 0
    assert [entry.path.name for entry in room.entries()] == [A, B]
    assert str((store.facts(B) or {})["finished"]).endswith("+00:00")


def test_a_full_disk_fails_a_write_whole_whichever_it_is(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(A)
    before = {path: path.read_bytes() for path in (folder / A).rglob("*") if path.is_file()}
    calls = {"left": 0}

    def failing(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            calls["left"] -= 1
            if not calls["left"]:
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(*args, **options)

        return call

    for name in ("fsync", "mkdir", "rename", "replace"):
        monkeypatch.setattr(os, name, failing(getattr(os, name)))
    monkeypatch.setattr(Path, "write_bytes", failing(Path.write_bytes))
    fails = 0
    for n in range(1, 200):
        calls["left"] = n
        try:
            put(B)
        except OSError:
            fails += 1
        unused, calls["left"] = calls["left"], 0
        store.discard(B)
        if unused > 0:
            break
        store.sweep()
        assert there(folder) in ("a", "ab"), "the last sync, of the folder of runs, may fail after all is there"
        assert not [path for path in folder.iterdir() if shelf.is_id(path.name) and manifest.wrong(path)]
        shelf.remove(folder / B)
        assert not list(folder.glob("tmp-*"))
        assert {path: path.read_bytes() for path in before} == before
    assert fails > 20
    assert there(folder) == "ab"
    assert not manifest.wrong(folder / B, hashes=True)


def test_leases_of_one_process_are_counted(folder: Path) -> None:
    put(A)
    store.look("one", [A])
    store.look("two", [A])
    store.look("one", [])
    assert leases.in_use(A)
    store.look("two", [])
    assert not leases.in_use(A)
    store.look("three", ["e" * 32, "../../etc"])
    assert not leases.in_use("e" * 32)


def full() -> StoreError:
    """As a trace that cannot be written raises it: the words of the core name a path of the server."""
    try:
        with storage.writing(Path("/srv/secret/run.zarr")):
            raise OSError(errno.ENOSPC, "No space left on device")
    except StoreError as error:
        return error


def test_a_full_disk_is_said_without_paths() -> None:
    words = telling.said(full(), "c0de")
    assert words == "The disk is full, so the run could not be stored. Free some space and run it again. (error c0de)"
    assert telling.plain(OSError(errno.EDQUOT, "quota"), "c0de") == words
    assert telling.said(StoreError("the text has no words"), "c0de") == "the text has no words"


def test_a_worker_on_a_full_disk_fails_its_job_in_words_and_the_next_works(
    finish: Callable[..., Any], store: Path
) -> None:
    engine = runs.engine()
    before = {path.name for path in store.iterdir() if shelf.is_id(path.name)}
    worker = runs._local().start()
    was = resource.prlimit(worker, resource.RLIMIT_FSIZE)
    resource.prlimit(worker, resource.RLIMIT_FSIZE, (3_000, was[1]))
    try:
        at = finish(engine.submit(Job("mag", "The lamp was lit at six. " * 40, "A test")))
    finally:
        resource.prlimit(worker, resource.RLIMIT_FSIZE, was)
    assert (at.state, at.message[:21]) == ("failed", "The disk is full, so ")
    assert str(store) not in at.message
    assert {path.name for path in store.iterdir() if shelf.is_id(path.name)} == before
    assert not list(store.glob("tmp-*"))
    assert finish(engine.submit(Job("mag", "The lamp was lit at six.", "A test"))).state == "done"
