"""Whatever is done to the store in whatever order: what is open or pinned stays, all of it fits, no half is seen."""

from __future__ import annotations

import errno
import os
import secrets
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from app.jobs import clock, manifest, room, shelf, store
from app.jobs.library import Library
from titans_core.errors import StoreError

MOST = 60_000


class Store(RuleBasedStateMachine):
    """runs: those that were stored and not deleted, of which some may have been evicted since."""

    @initialize()
    def begin(self) -> None:
        self.patch = pytest.MonkeyPatch()
        self.place = tempfile.TemporaryDirectory()
        self.folder = Path(self.place.name)
        self.patch.setenv("TITANSCOPE_RUNS", str(self.folder))
        self.patch.setattr(store, "MAX_BYTES", MOST)
        self.patch.setattr(os, "fsync", lambda handle: None)  # slow, and no matter while nothing is killed
        self.patch.setattr(clock, "_began", clock._began)
        self.runs: list[str] = []
        self.open: set[str] = set()
        self.pinned: set[str] = set()
        self.library = Library("somebody")

    def teardown(self) -> None:
        if hasattr(self, "patch"):
            store.look("a session", [])
            self.patch.undo()
            self.place.cleanup()

    def there(self) -> set[str]:
        return {path.name for path in self.folder.iterdir() if shelf.is_id(path.name)}

    def some(self, k: int) -> str:
        return self.runs[k % len(self.runs)]

    @rule(size=st.integers(0, 40_000))
    def put(self, size: int) -> None:
        run, before = secrets.token_hex(16), self.there()
        (store.draft(run) / "trace").write_bytes(b"x" * size)
        try:
            store.publish(run, {"title": "A", "tokens": 1})
        except StoreError:
            store.discard(run)
            held = sum(e.bytes for e in room.entries() if e.path.name in self.open | self.pinned)
            assert held + size + 4 * room.ALLOWANCE > MOST, "refused only where there is no room"
            assert self.there() == before
            return
        assert run in self.there()
        self.runs.append(run)
        self.library.add(run, own=True)

    @rule(size=st.integers(0, 20_000), n=st.integers(1, 8))
    def fill_the_disk(self, size: int, n: int) -> None:
        run, left = secrets.token_hex(16), [n]
        (store.draft(run) / "trace").write_bytes(b"x" * size)

        def full(handle: object) -> None:
            left[0] -= 1
            if not left[0]:
                raise OSError(errno.ENOSPC, "No space left on device")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "fsync", full)
            try:
                store.publish(run, {"title": "A", "tokens": 1})
            except (OSError, StoreError):
                store.discard(run)
        if run in self.there():
            self.runs.append(run)
            self.library.add(run, own=True)

    @precondition(lambda self: self.runs)
    @rule(k=st.integers(0, 99))
    def look(self, k: int) -> None:
        self.open |= {self.some(k)} & self.there()
        store.look("a session", sorted(self.open))

    @rule()
    def close(self) -> None:
        self.open.clear()
        store.look("a session", [])

    @precondition(lambda self: self.runs)
    @rule(k=st.integers(0, 99), on=st.booleans())
    def pin(self, k: int, on: bool) -> None:
        run = self.some(k)
        try:
            self.library.pin(run, on)
        except StoreError:
            return
        self.pinned = self.pinned | {run} if on else self.pinned - {run}

    @precondition(lambda self: self.runs)
    @rule(k=st.integers(0, 99))
    def delete(self, k: int) -> None:
        run = self.some(k)
        try:
            self.library.delete(run)
        except StoreError:
            assert run not in self.there()
        self.runs.remove(run)
        self.open.discard(run)
        self.pinned.discard(run)

    @rule()
    def crash(self) -> None:
        """A writer that died: its draft lies there, and nobody holds it."""
        draft = self.folder / f"tmp-{secrets.token_hex(16)}"
        draft.mkdir()
        (draft / "trace").write_bytes(b"x" * 100)
        store.sweep()
        assert not list(self.folder.glob("tmp-*"))

    @precondition(lambda self: self.runs)
    @rule(k=st.integers(0, 99))
    def damage(self, k: int) -> None:
        run = self.some(k)
        if run in self.there():
            (self.folder / run / "trace").write_bytes(b"y")
            with pytest.raises(StoreError, match="trace has"):
                store.examine(run)
        self.runs.remove(run)
        self.open.discard(run)
        self.pinned.discard(run)

    @rule(seconds=st.sampled_from([-3600.0, 60.0, store.MAX_AGE / 2, store.MAX_AGE + 1]))
    def pass_time(self, seconds: float) -> None:
        self.patch.setattr(clock, "_began", clock._began + seconds)
        store.sweep()

    @invariant()
    def what_is_open_or_pinned_is_there(self) -> None:
        if hasattr(self, "folder"):
            assert self.open | self.pinned <= self.there()

    @invariant()
    def what_is_there_is_whole(self) -> None:
        if hasattr(self, "folder"):
            assert not [run for run in self.there() if manifest.wrong(self.folder / run)]

    @invariant()
    def all_of_it_fits(self) -> None:
        if hasattr(self, "folder"):
            assert sum(shelf.size(self.folder / name) for name in (*self.there(), "quarantine")) <= MOST


Store.TestCase.settings = settings(
    max_examples=25, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
test_the_store_keeps_its_rules = Store.TestCase
