"""The runs that this person knows: those that they made or imported, and those of others that they opened."""

from __future__ import annotations

import contextlib
import functools
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, NamedTuple

import streamlit as st
import zarr

from app import naming, person, runs
from app.jobs import Job, Progress, clock, damaged, incoming, labels, shelf, store
from app.jobs.library import MOST, Library
from app.runs import shared
from titans_core.documents.names import shown_title
from titans_core.errors import StoreError
from titans_core.signals import MARK
from titans_core.storage import READ_ERRORS

BEGINNING = 90  # characters of a text that are shown


@dataclass(frozen=True)
class Row:
    """A finished run. name: its variant, and what it did otherwise. age: seconds since it was finished.

    own: whether this person may rename, pin and delete it. hash: sha256 of its text, and begins: how that begins, on
    one line; "" where they are not known.
    """

    run: str
    title: str
    name: str
    hash: str
    begins: str
    tokens: int
    bytes: int
    age: float
    pinned: bool
    own: bool
    order: int


class Shelf(NamedTuple):
    """What the library holds, newest first. gone: how many runs have expired since it was last looked at."""

    finished: list[Row]
    going: list[tuple[str, Progress]]
    damaged: list[damaged.SetAside]
    gone: int


def mine() -> Library:
    return Library(person.key())


def begin(jobs: Sequence[Job]) -> list[str]:
    """Begin these runs, which are this person's own; their ids. Raises Busy."""
    begun = runs.begin(list(jobs), person.key())
    for run in begun:
        mine().add(run, own=True)
    return begun


def bring(data: bytes, name: str) -> str:
    """Take in a run from a file; it is this person's own. Raises StoreError with the reason where it is refused."""
    run = incoming.bring(data, name)
    mine().add(run, own=True)
    return run


def opened(shown: Sequence[str], also: Sequence[str] = ()) -> None:
    """These runs are shown: they are listed, but for the one that every newcomer sees, and stay stored while they are.

    also: other entries that are shown, as the document of the Recall page.
    """
    store.look(_session(), (*shown, *also))
    noted: set[str] = st.session_state.setdefault("noted", set())
    for run in shown:
        if run not in noted and not shared.is_welcome(run) and store.trace(run) is not None:
            mine().add(run, own=False)
            noted.add(run)


@st.cache_resource(scope="session", on_release=lambda who: store.look(who, ()), show_spinner=False)
def _session() -> str:
    """A name for this session, which uses nothing any more when it ends."""
    return secrets.token_hex(8)


def held(shown: int = MOST) -> Shelf:
    """Look up every run of the library. Those that are gone leave the list.

    shown: of so many of them the files are looked at.
    """
    library = mine()
    found = Shelf([], [], [], 0)
    gone = 0
    for run, own in library.listed():
        facts = store.facts(run)
        if facts is not None and store.trace(run) is not None:
            found.finished.append(_row(run, facts, own))
        elif (at := runs.progress(run)) is not None:
            if at.live:
                found.going.append((run, at))
        elif (note := damaged.of(run)) is not None:
            found.damaged.append(note)
        else:
            library.forget(run)
            gone += 1
    found.finished.sort(key=lambda row: row.order, reverse=True)
    for row in found.finished[:shown]:
        with contextlib.suppress(StoreError):
            store.examine(row.run, hashes=False)
            continue
        found.finished.remove(row)
        found.damaged.extend(filter(None, [damaged.of(row.run)]))
    return found._replace(gone=gone)


def _row(run: str, facts: dict[str, Any], own: bool) -> Row:
    attrs = _attributes(run)
    folder = shelf.root() / run
    return Row(
        run,
        str(facts.get("title", "")),
        _name(attrs, str(facts.get("checkpoint", ""))),
        str(attrs.get("text_sha256", "")),
        _begins(run),
        int(facts.get("tokens", 0)),
        int(facts.get("bytes", 0)),
        clock.age(facts.get("finished")) or 0.0,
        labels.pinned(folder),
        own,
        int(facts.get("sequence", 0)),
    )


def _name(attrs: dict[str, Any], checkpoint: str) -> str:
    return naming.of(SimpleNamespace(attrs=attrs)) if "checkpoint" in attrs else checkpoint  # type: ignore[arg-type]


@functools.lru_cache(maxsize=1_000)
def _attributes(run: str) -> dict[str, Any]:
    """What a trace says of itself, without opening it: a run never changes."""
    found = (shelf.read_json(shelf.root() / run / "trace.zarr" / "zarr.json") or {}).get("attributes")
    wanted = ("checkpoint", "settings", "memory_from", "text_sha256", MARK)
    return {name: found[name] for name in wanted if name in found} if isinstance(found, dict) else {}


@functools.lru_cache(maxsize=1_000)
def _begins(run: str) -> str:
    try:
        stored = zarr.open_array(shelf.root() / run / "trace.zarr" / "text_utf8", mode="r")[: 4 * BEGINNING]
        text = stored.tobytes().decode("utf-8", "ignore")  # type: ignore[union-attr]
    except READ_ERRORS:  # said when it is opened
        return ""
    line = shown_title(text)
    return line if len(line) <= BEGINNING else f"{line[: BEGINNING - 1].rstrip()}…"


def rename(run: str, title: str) -> None:
    """Raises StoreError."""
    mine().rename(run, title)
    runs.forget(run)


def delete(run: str) -> None:
    """Raises StoreError."""
    mine().delete(run)
    runs.forget(run)
