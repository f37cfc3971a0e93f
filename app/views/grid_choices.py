"""What a needle grid is asked for, and what that means for a document that is shorter than its texts."""

from __future__ import annotations

from functools import partial
from typing import Any

import streamlit as st

from app import choices, needles, recalling, samples, state, theme
from app.figures.needle_grid import share
from app.jobs import Subject
from app.probing import grid
from app.runs import texts
from titans_core.evaluation.cells import length_name

TASKS = {"number": "a number", "word": "two words", "passkey": "a pass-key"}
HAYSTACKS = {"document": "this document", "samples": "the sample texts"}
LENGTHS = tuple(1 << power for power in range(9, 21))  # 512 to 1M
DEPTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
# Of the size that a CPU does in about a minute for three memories.
DEFAULT = {"task": "number", "haystack": "document", "lengths": [2048, 4096], "depths": [0.0, 0.5, 1.0], "n": 5}


def options(subject_id: str) -> dict[str, Any]:
    """What is chosen: as the address says whenever it changed, else as the controls do, also after another page."""
    if recalling.new_grid():
        given = needles.from_address(recalling.grid())
        for name, value in DEFAULT.items():
            own, key = given.get(name), _key(name, subject_id)
            st.session_state[key] = own if own is not None and _offered(name, own) else value
            choices.keep(key)
    for name, value in DEFAULT.items():
        choices.begin(_key(name, subject_id), value)
    chosen = {name: st.session_state[_key(name, subject_id)] for name in DEFAULT}
    haystack = "samples" if chosen["task"] == "passkey" else chosen["haystack"]  # it reads neither
    lists = {name: sorted(chosen[name]) for name in ("lengths", "depths")}
    return {"task": chosen["task"], "haystack": haystack, **lists, "n": int(chosen["n"]), "seed": needles.SEED}


def _offered(name: str, value: Any) -> bool:
    if name == "n":
        return 1 <= value <= grid.MOST_TEXTS
    listed = {"task": TASKS, "haystack": HAYSTACKS, "lengths": LENGTHS, "depths": DEPTHS}[name]
    return set(value) <= set(listed) if isinstance(value, list) else value in listed


def _key(name: str, subject_id: str) -> str:
    return f"grid_{name}_{subject_id}"


def controls(subject_id: str, subject: Subject, asked: dict[str, Any], *, disabled: bool) -> None:
    """The controls of `asked`, and what it means."""

    def how(name: str) -> dict[str, Any]:
        key = _key(name, subject_id)
        first = "value" if name == "n" else "default"  # see choices.begin
        return {"key": key, first: st.session_state[key], "on_change": partial(choices.keep, key), "disabled": disabled}

    st.segmented_control("Hide", list(TASKS), required=True, format_func=TASKS.__getitem__, **how("task"))
    if asked["task"] != "passkey":
        names = HAYSTACKS.__getitem__
        st.segmented_control("In", list(HAYSTACKS), required=True, format_func=names, **how("haystack"))
    st.pills("Tokens of a text", LENGTHS, selection_mode="multi", format_func=length_name, **how("lengths"))
    st.pills("Depth of the needle", DEPTHS, selection_mode="multi", format_func=share, **how("depths"))
    st.number_input("Texts a cell", 1, grid.MOST_TEXTS, width=140, **how("n"))
    st.caption(state.plain(meaning(asked, subject)))


def meaning(asked: dict[str, Any], subject: Subject) -> str:
    """What the needles are hidden in, and what it means that the document is shorter than a text."""
    if asked["task"] == "passkey":
        return "A pass-key is a number in one line that is repeated: the document is not read."
    text = grid.document(subject, asked)
    if text is None:
        held, what = sum(texts.count_tokens(sample.text) or 0 for sample in samples.samples()), "The sample texts have"
    else:
        held, what = texts.count_tokens(text) or 0, "The document has"
    left_out = " The planted fact is left out of it." if text is not None and subject.planted else ""
    longer = [length_name(length) for length in asked["lengths"] if length > held]
    said = f"{what} {theme.count(held)}. Each text begins at one of its sentences, drawn at random."
    if longer:
        said += (
            f" It is shorter than {_and(longer)}: such texts are several stretches of it, one after the other, so "
            "its sentences come up again."
        )
    return said + left_out


def _and(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
