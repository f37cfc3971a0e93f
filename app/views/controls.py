"""The sidebar: which text, which memories, which device, and what it will cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from app import choices, memories, runs, samples, theme
from app.jobs import memory
from app.runs import Run, costs, texts
from app.state import plain
from app.views import text_choice
from app.views.beginning import Beginning, beginning
from titans_core.documents import Document


@dataclass(frozen=True)
class Request:
    """What the sidebar asks for. problem: why Run is not offered, in words; notices: what to know before.

    begin: the memory to begin with, None for an empty one. tokens: of the text, where a run of it has told.
    document: the text with its pages, sections and files, where it was taken out of files; else None.
    """

    title: str
    text: str
    checkpoints: tuple[str, ...]
    device: str = "cpu"
    problem: str = ""
    notices: tuple[str, ...] = ()
    begin: Beginning | None = None
    tokens: int | None = None
    document: Document | None = None


def request(shown: list[Run]) -> Request:
    """Draw the controls and return what they ask for: at first the text and the memories of the shown runs.

    What is wrong with a text is said beside it.
    """
    available = memories.names()
    if shown:
        choices.follow(tuple(run.id for run in shown), _asking_for(shown, available))
    document, title, text, wrong = text_choice.chosen_text("TEXT", lambda: text_choice.again(shown))
    notices, problem = text_choice.checked(title, text, wrong, "Run waits for a text")
    chosen = chosen_memories("checkpoints", available, available[:1])
    picked = tuple(name for name in available if name in chosen)
    begin, refused = beginning(picked)
    device = chosen_device()
    if not problem and not chosen:
        problem = "Choose at least one memory."
    problem = problem or next(filter(None, (memory.refusal(name, text) for name in picked)), "")
    # A million tokens take a second and much memory to be counted again.
    tokens = shown[0].ds.sizes["token"] if shown and text == shown[0].ds.attrs["text"] else None
    return Request(title, text, picked, device, problem or refused, notices, begin, tokens, document)


def _asking_for(shown: list[Run], available: tuple[str, ...]) -> dict[str, object]:
    """The choices that ask for the shown text and for those of its memories that are offered here."""
    text = str(shown[0].ds.attrs["text"])
    read = {run.checkpoint for run in shown}
    asked: dict[str, object] = {"checkpoints": [name for name in available if name in read]}
    sample = next((sample for sample in samples.samples() if sample.text == text), None)
    if sample is not None:
        return asked | {"source": "Sample", "sample": sample.title}
    if shown[0].title == text_choice.PASTED and len(text) <= text_choice.BOX_MOST:
        return asked | {"source": "Paste", "pasted": text}
    return asked | {"source": "Shown"}


def chosen_memories(key: str, available: Sequence[str], first: Sequence[str]) -> list[str]:
    """Draw the memories to choose from, `first` chosen at first."""
    st.caption("MEMORY")
    return st.pills(
        "Memory",
        available,
        selection_mode="multi",
        default=choices.begin(key, list(first)),
        format_func=theme.label,
        key=key,
        on_change=choices.chose,
        args=(key,),
        label_visibility="collapsed",
    )


def device() -> str:
    """The device that is chosen, before the choice is drawn."""
    devices = runs.engine().devices()
    return str(st.session_state.get(f"device {devices}") or devices[-1])


def chosen_device() -> str:
    """Draw the devices and return the chosen one."""
    devices = runs.engine().devices()
    st.caption("DEVICE")
    chosen = st.segmented_control(
        "Device",
        devices,
        default=devices[-1],
        required=True,
        format_func=str.upper,
        key=f"device {devices}",
        label_visibility="collapsed",
    )
    return str(chosen)


def cost(asked: Request) -> None:
    """Say what a run will take, before it is run, or why it cannot be."""
    if asked.problem:
        st.caption(plain(asked.problem))
        return
    tokens = texts.count_tokens(asked.text) if asked.tokens is None else asked.tokens
    if tokens is None:
        return
    readings = asked.checkpoints * (1 if asked.begin is None else 2)
    expected = costs.cost(tokens, readings, asked.device)
    many = f" × {len(asked.checkpoints)} memories" if len(asked.checkpoints) > 1 else ""
    many += ", read twice: from an empty memory too, to compare" if asked.begin is not None else ""
    seconds = theme.about(expected.seconds)
    guess = "" if expected.measured or expected.seconds < 1 else ", a guess until a longer text was run here"
    st.caption(
        f"{seconds.capitalize()} and {theme.size(expected.bytes)} on disk for {theme.count(tokens)}{many}{guess}."
    )
    for notice in asked.notices:
        st.caption(plain(notice))
