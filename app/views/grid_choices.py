"""What a needle grid is asked for, and what that means for a document that is shorter than its texts."""

from __future__ import annotations

from functools import partial
from typing import Any

import streamlit as st

from app import choices, needles, recalling, runs, samples, theme
from app.jobs import Subject
from app.probing import grid
from titans_core.evaluation.cells import length_name

TASKS = {"number": "a number", "word": "two words", "passkey": "a pass-key"}
HAYSTACKS = {"document": "this document", "samples": "the sample texts"}
LENGTHS = tuple(1 << power for power in range(9, 21))  # 512 to 1M
DEPTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
# Of the size that a CPU does in about a minute for three memories.
DEFAULT = {"task": "number", "haystack": "document", "lengths": [2048, 4096], "depths": [0.0, 0.5, 1.0], "n": 5}
SEED = 0


def options(subject_id: str, subject: Subject) -> dict[str, Any]:
    """The controls, as the address says at first; what is chosen is kept while another page is shown."""
    given = needles.from_address(recalling.grid())
    begin = DEFAULT | {name: value for name, value in given.items() if _offered(name, value)}
    task = _one("Hide", "task", TASKS, subject_id, begin)
    haystack = "samples"
    if task != "passkey":
        haystack = _one("In", "haystack", HAYSTACKS, subject_id, begin)
    lengths = _some(
        "Tokens of a text", "lengths", {length: length_name(length) for length in LENGTHS}, subject_id, begin
    )
    depths = _some("Depth of the needle", "depths", {depth: f"{depth:.0%}" for depth in DEPTHS}, subject_id, begin)
    key = _begin("n", subject_id, begin)
    n = st.number_input("Texts a cell", 1, grid.MOST_TEXTS, key=key, on_change=partial(choices.keep, key), width=140)
    asked = {"task": task, "haystack": haystack, "lengths": lengths, "depths": depths, "n": int(n), "seed": SEED}
    st.caption(meaning(asked, subject))
    return asked


def _offered(name: str, value: Any) -> bool:
    listed = {"task": TASKS, "haystack": HAYSTACKS, "lengths": LENGTHS, "depths": DEPTHS}
    if name == "n":
        return 1 <= value <= grid.MOST_TEXTS
    return set(value) <= set(listed[name]) if isinstance(value, list) else value in listed[name]


def _begin(name: str, subject_id: str, begin: dict[str, Any]) -> str:
    key = f"grid_{name}_{subject_id}"
    choices.begin(key, begin[name])
    return key


def _one(label: str, name: str, listed: dict[str, str], subject_id: str, begin: dict[str, Any]) -> str:
    key = _begin(name, subject_id, begin)
    keep = partial(choices.keep, key)
    chosen = st.segmented_control(
        label, list(listed), required=True, format_func=listed.__getitem__, key=key, on_change=keep
    )
    return str(chosen)


def _some(label: str, name: str, listed: dict[Any, str], subject_id: str, begin: dict[str, Any]) -> list[Any]:
    key = _begin(name, subject_id, begin)
    keep = partial(choices.keep, key)
    chosen = st.pills(
        label, list(listed), selection_mode="multi", format_func=listed.__getitem__, key=key, on_change=keep
    )
    return sorted(chosen)


def meaning(asked: dict[str, Any], subject: Subject) -> str:
    """What the needles are hidden in, and what it means that the document is shorter than a text."""
    if asked["task"] == "passkey":
        return "A pass-key is a number in one line that is repeated: the document is not read."
    text = grid.document(subject, asked)
    if text is None:
        held, what = sum(runs.count_tokens(sample.text) or 0 for sample in samples.samples()), "The sample texts have"
    else:
        held, what = runs.count_tokens(text) or 0, "The document has"
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
