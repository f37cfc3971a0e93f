"""The sidebar: with which memory a text is read, an empty one, that of a run of this session, or one from a file."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import partial

import streamlit as st

from app import drawn, held, memories, naming, runs, state, theme
from app.bare import sentence
from app.state import address, uploads
from titans_core import memory_file
from titans_core.errors import StoreError
from titans_core.memory_file import Held

UPLOAD_MB = 20
EMPTY, FILE = "empty", "file"


@dataclass(frozen=True)
class Beginning:
    """The memory to begin with. name: as in Job, "" of one from a file that is not stored yet. data: its bytes."""

    name: str
    held: Held
    data: bytes = b""
    file: str = ""

    def stored(self) -> str:
        """Its name, once it is stored. Raises StoreError where it cannot be."""
        return self.name or f"{runs.engine().keep(self.data, self.file)}/memory"


def beginning(picked: tuple[str, ...]) -> tuple[Beginning | None, str]:
    """Draw the choice, and what is wrong with it: (what is chosen, None for an empty memory; why Run waits, or "")."""
    known = _of_session()
    chosen = st.selectbox(
        "Begin with",
        [EMPTY, *known, FILE],
        format_func={EMPTY: "An empty memory", FILE: "A memory from a file", **known}.__getitem__,
        key="begin",
        help="A memory that has read another text goes on from there.",
    )
    if chosen == EMPTY or chosen is None:
        return None, ""
    refused = ""
    try:
        found = _file() if chosen == FILE else Beginning(chosen, held.memory(chosen))
    except StoreError as error:
        found, refused = None, sentence(error)
    if found is not None:
        refused = refusal(found.held, picked)
    if refused:
        st.error(state.plain(refused))
    elif found is None:
        st.caption("No memory is chosen yet. Choose a .safetensors file that Export or `titans trace` saved.")
    return (found, "") if found is not None and not refused else (None, "Run waits for a memory to begin with.")


def refusal(memory: Held, picked: tuple[str, ...]) -> str:
    """Why the chosen checkpoints cannot go on from this memory, in words with what can; "" where they can."""
    name = memory.facts["checkpoint"]
    label = theme.label(name)
    if name not in memories.names():
        return f"This memory is of {label}, a checkpoint that is not offered here."
    if picked and picked != (name,):
        return f"This memory is of {label}: only {label} can go on from it. Choose {label} alone."
    if picked and memories.weights(name) != memory.facts["weights_sha256"]:
        return f"This memory is of a {label} with other weights than the one here, so it cannot go on from it."
    return ""


def _of_session() -> dict[str, str]:
    """Name of a memory -> what it is called, of the runs that this session has shown, the latest first."""
    found: dict[str, str] = {}
    for run in address.was_read():
        at = runs.progress(run)
        if at is None or at.state != "done" or not (name := held.at_end(run)):
            continue
        with contextlib.suppress(StoreError):
            found[name] = drawn.words(("memory", run, at.title), partial(_called, run, at.title))
    return found


def _called(run: str, title: str) -> str:
    """Opens the run: of twelve that a session has shown, most are not open any more. Raises StoreError."""
    ds = runs.trace(run)
    settings = naming.settings_of(ds)
    read = naming.after([*naming.began(ds), memory_file.line(title)])
    changes = naming.words(settings) if settings else ["changed"]
    return " · ".join([f"A{read[0][1:]}", theme.label(str(ds.attrs["checkpoint"])), *changes])


def _file() -> Beginning | None:
    file = st.file_uploader(
        "A memory, .safetensors", type=["safetensors"], key="memory_file", max_upload_size=UPLOAD_MB
    )
    if file is None:
        return None
    data = uploads.data(file)
    memory = memory_file.read(data, file.name)
    st.caption(
        state.plain(f"{theme.label(memory.facts['checkpoint'])} {naming.after(memory.facts.get('texts', ['']))[0]}")
    )
    return Beginning("", memory, data, file.name)
