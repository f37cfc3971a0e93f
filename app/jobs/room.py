"""Room for new entries: what was used longest ago goes first, never what is open, pinned or being written."""

from __future__ import annotations

import functools
import logging
from dataclasses import dataclass
from pathlib import Path

from app.jobs import damaged, labels, leases, manifest, shelf
from titans_core.errors import StoreError

ALLOWANCE = 2 * 4096  # bytes for the files that change of an entry, which are shorter

log = logging.getLogger("titanscope.store")


@dataclass(frozen=True)
class Entry:
    """A stored entry. bytes: that it takes."""

    path: Path
    bytes: int
    use: labels.Use

    @property
    def pinned(self) -> bool:
        return labels.pinned(self.path)

    @property
    def may_go(self) -> bool:
        return not self.pinned and not leases.in_use(self.path.name)


def entries() -> list[Entry]:
    """What is stored, longest unused first. Call it as the one writer."""
    found = [Entry(path, _weight(path), labels.use(path)) for path in _folders()]
    return sorted(found, key=lambda entry: (entry.use.sequence, -entry.use.age, entry.path.name))


def _folders() -> list[Path]:
    return [path for path in shelf.root().iterdir() if shelf.is_id(path.name) and shelf.is_folder(path)]


def _weight(folder: Path) -> int:
    try:
        written = (folder / manifest.NAME).lstat()
    except OSError:
        return shelf.size(folder)
    return _whole(str(folder), written.st_mtime_ns, written.st_ino) + ALLOWANCE


@functools.lru_cache(maxsize=20_000)
def _whole(folder: str, *written: int) -> int:
    return manifest.weight(Path(folder))


def make(needed: int, most: int, what: str) -> list[Path]:
    """Make room for `needed` bytes, so that all is at most `most`; what is returned is to be removed.

    Call it as the one writer. Raises StoreError about `what`, and moves nothing, where that cannot be had; where
    nothing is needed, all that may go does.
    """
    if needed > most:
        raise StoreError(
            f"{what} has {needed:,} bytes, and this server keeps {most:,} bytes of runs in all; "
            "a shorter text takes less"
        )
    aside = damaged.all_of_it()
    over = sum(map(_weight, _folders())) + sum(map(damaged.weight, aside)) + needed - most
    stored = entries() if over > 0 else []  # when each was used is read where that counts: all others wait meanwhile
    gone: list[tuple[int, Path]] = []
    for size, path in [(damaged.weight(path), path) for path in aside] + [
        (entry.bytes, entry.path) for entry in stored if entry.may_go
    ]:
        if over <= 0:
            break
        gone.append((size, path))
        over -= size
    if over > 0 and needed:
        raise StoreError(
            f"there is no room to store {what}: it has {needed:,} bytes, and runs that are pinned or open take "
            f"the rest of the {most:,} that this server keeps. Unpin or delete one of them, or close its page"
        )
    return [_move(path) for _, path in gone]


def _move(path: Path) -> Path:
    if path.parent.name == damaged.FOLDER:
        return damaged.drop(path)
    log.info("evicted %s", path.name[:8])
    return shelf.move_away(path)


def too_old(most_age: float) -> list[Path]:
    """Take away what nobody used for so many seconds; what is returned is to be removed. Call it as the one writer."""
    old = [entry.path for entry in entries() if entry.use.age > most_age and entry.may_go]
    return [_move(path) for path in [*old, *(path for path in damaged.all_of_it() if damaged.age(path) > most_age)]]


def abandoned() -> list[Path]:
    """Drafts, and parts of files, whose writer is dead. Call it as the one writer."""
    found = [path for path in shelf.root().iterdir() if shelf.is_draft(path.name)]
    return [path for path in found if not shelf.is_folder(path) or not leases.being_written(path.name)]


_seen: set[tuple[str, int, int]] = set()


def unseen() -> list[Path]:
    """Entries that this did not give before, by their names, and by their manifests where they have one."""
    found: list[Path] = []
    seen: set[tuple[str, int, int]] = set()
    for path in [path for path in shelf.root().iterdir() if shelf.is_id(path.name)]:
        try:
            written = (path / manifest.NAME).lstat()
        except OSError:
            found.append(path)
            continue
        mark = str(path), written.st_mtime_ns, written.st_ino
        seen.add(mark)
        if mark not in _seen:
            found.append(path)
    _seen.clear()  # what is gone is not remembered
    _seen.update(seen)
    return found
