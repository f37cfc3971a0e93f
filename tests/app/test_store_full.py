"""A full disk: nothing is half there, what was there stays, and a person is told in words."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app import runs
from app.jobs import Job, manifest, memory, shelf, store, telling
from app.runs import server
from tests.storing import A, B, put, there
from titans_core import storage
from titans_core.errors import StoreError

ROOT = Path(__file__).parents[2]


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
    assert telling.plain(OSError(errno.EDQUOT, "quota"), "c0de", memory.Room(None)) == words
    assert telling.said(StoreError("the text has no words"), "c0de") == "the text has no words"


def test_a_worker_on_a_full_disk_fails_its_job_in_words_and_the_next_works(
    finish: Callable[..., Any], store: Path
) -> None:
    engine = runs.engine()
    before = {path.name for path in store.iterdir() if shelf.is_id(path.name)}
    worker = server.local().start()
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
