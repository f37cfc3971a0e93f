"""Which runs a person knows, and what they may do with them: one folder a person, one empty file a run.

RUNS/libraries/<hash of the person's key>/made/<id>     runs that the person made or brought
RUNS/libraries/<hash of the person's key>/opened/<id>   runs of others that the person opened by their link
A file is there or not: no crash, and no two writers, can leave half of it.
"""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from app.jobs import SanityCheck, damaged, labels, manifest, room, shelf, store
from titans_core.documents.names import shown_title
from titans_core.errors import StoreError

FOLDER = "libraries"
MOST = 500  # runs that a library lists
PINNED_SHARE = 0.5  # of the store that pinned runs may take, so that there is always room for new ones


class Known(NamedTuple):
    """A run in a library. own: whether the person made it."""

    run: str
    own: bool


@dataclass(frozen=True)
class Library:
    """What the person with this key knows. Whoever has the key has the library, so it is kept as hash alone."""

    key: str

    @property
    def _folder(self) -> Path:
        name = hashlib.sha256(f"library 1 of {self.key}".encode()).hexdigest()[:32]
        return shelf.root() / FOLDER / name

    def add(self, run: str, *, own: bool) -> None:
        """Note a run; one that is the person's own stays so."""
        if shelf.is_id(run) and not self.owns(run):
            folder = self._folder / ("made" if own else "opened")
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            (folder / run).touch(mode=0o600)
            if own:
                (self._folder / "opened" / run).unlink(missing_ok=True)

    def owns(self, run: str) -> bool:
        return shelf.is_id(run) and shelf.is_file(self._folder / "made" / run)

    def listed(self) -> list[Known]:
        """Every run that was noted, in no order."""
        return [
            Known(path.name, kind == "made")
            for kind in ("made", "opened")
            if shelf.is_folder(self._folder / kind)
            for path in (self._folder / kind).iterdir()
            if shelf.is_id(path.name)
        ][:MOST]

    def forget(self, run: str) -> None:
        """Take a run off the list; nothing else is done to it."""
        if shelf.is_id(run):
            for kind in ("made", "opened"):
                (self._folder / kind / run).unlink(missing_ok=True)

    def rename(self, run: str, title: str) -> None:
        """Call a run something else, for all who open it. Raises StoreError for a title that cannot be shown."""
        said = shown_title(title)
        if not said or len(title) > labels.LONGEST:
            raise StoreError(f"a name has 1 to {labels.LONGEST} characters that can be seen")
        with shelf.one_writer():
            labels.set_label(self._own(run), title=said)

    def pin(self, run: str, pinned: bool) -> None:
        """Keep a run until it is unpinned. Raises StoreError where pinned runs would leave too little room."""
        with shelf.one_writer():
            folder, most = self._own(run), int(PINNED_SHARE * store.MAX_BYTES)
            if pinned:
                taken = sum(entry.bytes for entry in room.entries() if entry.pinned and entry.path != folder)
                if taken + manifest.weight(folder) + room.ALLOWANCE > most:
                    raise StoreError(
                        f"pinned runs may take {most:,} bytes of this server in all, and with this one they would take "
                        f"more; unpin another, or export this one and keep the file"
                    )
            labels.set_label(folder, pinned=pinned)

    def delete(self, run: str) -> None:
        """Remove a run of the person's own, and what was found of it, for everybody; what follows says it expired."""
        with shelf.clearing() as gone:
            gone.append(shelf.move_away(self._own(run)))
            check = shelf.root() / SanityCheck(run, "", "").id
            if shelf.is_folder(check):
                gone.append(shelf.move_away(check))
        self.forget(run)

    def _own(self, run: str) -> Path:
        if not self.owns(run):
            raise StoreError("only the browser in which a run was made or imported can change it")
        folder = shelf.root() / run
        if store.facts(run) is None:
            raise StoreError("the run is not stored here any more")
        return folder


def tidy() -> None:
    """Take runs off all lists that were noted long ago and are not stored, and lists that are empty."""
    folder = shelf.root() / FOLDER
    marks = folder.glob("*/*/*") if shelf.is_folder(folder) else ()
    for mark in marks:
        old = mark.lstat().st_mtime < store.clock.now() - store.MAX_AGE
        if old and store.facts(mark.name) is None and damaged.of(mark.name) is None:
            mark.unlink(missing_ok=True)
    for kind in [*folder.glob("*/*"), *folder.glob("*")]:
        with contextlib.suppress(OSError):
            kind.rmdir()  # refused where it holds something
