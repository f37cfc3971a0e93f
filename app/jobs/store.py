"""Finished runs on disk: immutable folders, published by rename, removed by age and size.

RUNS/<id>/trace.zarr   the trace
RUNS/<id>/run.json     what was run: checkpoint, title, tokens, seconds, bytes, finished
RUNS/<id>/memory.safetensors   the memory at its end; none of a model without one, and of a run that diverged
RUNS/<id>/began.safetensors    the memory that it began with, unless that was empty
RUNS/<id>/manifest.json        all files of the entry, written last: see manifest
RUNS/<id>/label.json, used.json    what a person calls it, whether it is pinned, when it was last used: see labels
RUNS/<kept>/memory.safetensors, run.json    a memory from elsewhere, whose id follows from its bytes
RUNS/<check>/run.json  of a sanity check, whose id follows from that of its run: the same facts and what it found
RUNS/<probe>/run.json  of a probe, in the same way; partial.json, with nothing beside it, of one that did not finish
RUNS/<subject>/subject.json  a document and the fact in it that probes ask for
RUNS/tmp-<id>/         a job that is being written, locked by its writer: see leases
RUNS/quarantine/       damaged entries: see damaged
RUNS/libraries/        which browser knows which runs: see known
"""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Collection
from pathlib import Path
from typing import Any

from app.jobs import clock, damaged, labels, leases, manifest, room, shelf
from app.jobs.reading import answer, by_origin, facts, is_partial, partial, subject, trace
from app.jobs.shelf import is_id, root, size
from app.jobs.subjects import Subject
from titans_core.errors import StoreError

# Of these the others are `reading`, and the folder itself `shelf`.
__all__ = ["answer", "by_origin", "facts", "is_id", "partial", "root", "size", "subject", "trace"]

MAX_BYTES = 4 * 1024**3
MAX_AGE = 7 * 24 * 3600.0  # since it was last used

_ENGINE = "the jobs of this server"

log = logging.getLogger("titanscope.store")


def draft(run: str) -> Path:
    """An empty folder to write run `run` into; it stays while this process lives, until `discard` or `publish`."""
    with shelf.one_writer():
        shelf.remove(shelf.draft_of(run))
        folder = shelf.draft_of(run)
        folder.mkdir(mode=0o700)
        leases.begin(run)
    return folder


def discard(run: str) -> None:
    shelf.remove(shelf.draft_of(run))
    leases.end(run)


def publish(run: str, facts: dict[str, Any], name: str = "") -> dict[str, Any]:
    """Make the draft of `run` final and return its facts with `bytes` added: all of it is there, or nothing.

    name: the id to publish it under, if another; what is there already, if whole, stays. Raises StoreError where there
    is no room for it.
    """
    folder = shelf.draft_of(run)
    with shelf.one_writer():
        order = labels.count()
    facts = facts | {"bytes": size(folder), "finished": clock.stamp(), "sequence": order}
    shelf.write_json(folder / "run.json", facts)
    settle(run, name or run, "the run")
    return facts


def settle(run: str, name: str, what: str) -> None:
    """Make the draft of `run` the entry `name`, as it is. Raises StoreError as `publish`; what: in its words."""
    folder, target = shelf.draft_of(run), root() / name
    manifest.write(folder)
    with shelf.clearing() as gone:
        if shelf.there(target) and not manifest.wrong(target):
            gone.append(shelf.move_away(folder))
            return
        gone += room.make(manifest.weight(folder) + room.ALLOWANCE, MAX_BYTES, what)
        labels.set_used([folder])
        if is_partial(target):
            gone.append(shelf.move_away(target))
        elif shelf.there(target):
            damaged.set_aside(name, manifest.wrong(target))
        folder.rename(target)
        shelf.sync(root())
    leases.end(run)


def examine(run: str, *, hashes: bool = True) -> None:
    """Look at every file of an entry, and into them, unless there is much of it.

    Raises StoreError where it is not whole: it is set aside then.
    """
    with shelf.one_writer():
        if not shelf.there(root() / run) or is_partial(root() / run):
            return
        wrong = manifest.wrong(root() / run, hashes=hashes)
        if wrong:
            damaged.set_aside(run, wrong)
            raise StoreError(f"{wrong}, so the stored run was set aside")


def keep_partial(probe: str, answer: dict[str, Any]) -> None:
    """Store what a probe has found so far: all of it is there, or what was there before."""
    folder = root() / probe
    with shelf.clearing() as gone:
        gone += room.make(len(json.dumps(answer)) + room.ALLOWANCE, MAX_BYTES, "what was found so far")
        if shelf.there(folder) and not shelf.is_folder(folder):
            damaged.set_aside(probe, manifest.wrong(folder))
        if not shelf.there(folder):
            shelf.new_folder(folder, "partial.json", answer)
        else:
            shelf.replace_json(folder / "partial.json", answer)
        labels.set_used([folder])


def keep_subject(subject: Subject) -> str:
    """Store a document and its fact for probes; its id, which cannot be guessed. Raises StoreError as `publish`."""
    name = secrets.token_hex(16)
    try:
        shelf.write_json(draft(name) / "subject.json", subject.to_dict())
        settle(name, name, "the document")
    finally:
        discard(name)
    return name


def touch(name: str) -> None:
    """A stored subject was asked about just now: its age counts from here, and it stays until the next `hold`."""
    with shelf.one_writer():
        leases.use(_ENGINE, [name], more=True)
        _used([root() / name] if is_id(name) and shelf.is_folder(root() / name) else [])


def _used(folders: list[Path]) -> None:
    try:
        labels.set_used(folders)
    except OSError as error:  # a full disk keeps nobody from reading
        log.warning("that an entry was used cannot be noted: %s", error.strerror)


def look(who: str, runs: Collection[str]) -> None:
    """From now on `who`, a session of the page, has these entries open and no others: they stay."""
    if leases.used_by(who) != frozenset(runs):
        with shelf.one_writer():
            _used([root() / run for run in leases.use(who, runs)])


def hold(keep: frozenset[str]) -> None:
    """From now on the jobs of this server make use of these entries, as far as they are there, and no others."""
    with shelf.one_writer():
        leases.use(_ENGINE, keep)


def sweep(keep: frozenset[str] = frozenset()) -> None:
    """Set damaged entries aside, each looked at once, and remove abandoned drafts and what is too old or too much.

    What was longest unused goes first; never what is pinned or open, or in `keep`: see `hold`. Others wait while all
    that is stored is looked through. Whatever is written makes room for itself.
    """
    with shelf.clearing() as gone:
        leases.use(_ENGINE, keep)
        gone += room.abandoned()
        for path in room.unseen():
            if not is_partial(path) and (wrong := manifest.wrong(path)):
                damaged.set_aside(path.name, wrong)
        gone += room.too_old(MAX_AGE)
        gone += room.make(0, MAX_BYTES, "what is there")
