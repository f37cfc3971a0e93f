"""Room in the store: what is in use stays, all of it fits, and a clock that is set moves nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.jobs import clock, labels, leases, room, store
from app.jobs.library import Library
from tests.storing import A, B, C, D, put, taken, there
from titans_core.errors import StoreError

ROOT = Path(__file__).parents[2]


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


def test_when_entries_were_used_is_not_read_where_there_is_room(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Path] = []
    known = labels.use
    monkeypatch.setattr(labels, "use", lambda path: (asked.append(path), known(path))[1])
    for run in (A, B, C):
        put(run, 10_000)
    assert asked == []
    monkeypatch.setattr(store, "MAX_BYTES", 2 * (10_000 + room.ALLOWANCE + 2_000))
    put(D, 10_000)
    assert len(asked) == 3
    assert there(folder) == "cd"


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
