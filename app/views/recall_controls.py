"""The sidebar of Recall: a document, a fact of it, the memories that are asked, and what it costs."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from app import choices, facts, memories, samples, theme
from app.jobs import Subject
from app.probing import KINDS
from app.runs import costs
from app.state import address, plain
from app.views import controls, fact_controls, going, text_choice
from titans_core.documents import Document

_FIRST = ("mac", "mag", "mal")  # of the memories that are offered, those that are chosen at first

HERE, THERE = "On this page", "In Explore"  # where a document is shown


@dataclass(frozen=True)
class Asked:
    """What the sidebar asks for. problem: why Probe is not offered, in words. tokens: of the document with its fact."""

    subject: Subject | None
    checkpoints: tuple[str, ...]
    device: str
    problem: str = ""
    tokens: int = 0


def request(name: str | None, shown: Subject | None, begun: tuple[str, ...]) -> Asked:
    """Draw the controls and return what they ask for: at first for `shown`, the subject `name` that the page is about.

    begun: the memories that were asked for it.

    What is wrong is said beside the control that it is about.
    """
    if shown is not None:
        follow(name, shown, begun)
    document, title, text, wrong = text_choice.chosen_text("DOCUMENT", lambda: _again(shown))
    notices, problem = text_choice.checked(title, text, wrong, "Probe waits for a document")
    if problem:
        document = None
    elif document is None:
        document = Document(title, "text", text)
    fact = fact_controls.fact(document)
    _read(document, fact.tokens)
    for notice in notices:
        st.caption(plain(notice))
    available = tuple(filter(memories.remembers, memories.names()))
    picked = controls.chosen_memories("probed", available, [name for name in _FIRST if name in available])
    device = controls.chosen_device()
    if not problem and not fact.problem and not picked:
        problem = "Choose at least one memory."
    chosen = tuple(name for name in available if name in picked)
    return Asked(fact.subject, chosen, device, problem or fact.problem, fact.tokens)


def follow(name: str | None, shown: Subject, begun: tuple[str, ...]) -> None:
    """Let the controls, which are not drawn yet, ask for this subject; what comes before them can know it."""
    choices.follow(("subject", name), _asking_for(shown, begun))


def cost(asked: Asked) -> None:
    """Say what the probes will take, or why they cannot be begun."""
    if asked.problem:
        st.caption(plain(asked.problem))
        return
    read = KINDS["recall"].tokens(asked.tokens, {})
    seconds = sum(costs.seconds("recall", read, name, asked.device) for name in asked.checkpoints)
    many = f" × {len(asked.checkpoints)} memories" if len(asked.checkpoints) > 1 else ""
    st.caption(
        f"{theme.about(seconds).capitalize()} for {theme.count(asked.tokens)}{many}, "
        "each read twice: with the fact and without."
    )


def _asking_for(shown: Subject, begun: tuple[str, ...]) -> dict[str, object]:
    """The choices that ask for this subject again."""
    original = facts.document(shown)
    asked = fact_controls.asking_for(shown, planted=shown.planted and original is not None)
    asked |= {"probed": list(begun or filter(memories.names().__contains__, _FIRST))}
    text = original.text if original is not None else shown.text
    sample = next((sample for sample in samples.samples() if sample.text == text), None)
    if sample is not None:
        return asked | {"source": "Sample", "sample": sample.title}
    if shown.title == text_choice.PASTED and len(text) <= text_choice.BOX_MOST:
        return asked | {"source": "Paste", "pasted": text}
    return asked | {"source": "Shown"}


def _again(shown: Subject | None) -> text_choice.Text:
    """The document that this page is about, or the text that Explore shows; where there are both, it is chosen."""
    run = next((run for run in map(going.opened, address.remembered()[0]) if run is not None), None)
    if shown is not None and (run is None or _which() == HERE):
        document = facts.document(shown) or Document(shown.title, "text", shown.text)
        st.caption(f"The document on this page again: {plain(document.name)}.")
        return document, document.name, document.text, ""
    if run is None:
        return None, "", "", text_choice.NOTHING_SHOWN
    title, text = run.title or "Untitled text", str(run.ds.attrs["text"])
    st.caption(f"The text that Explore shows: {plain(title)}.")
    return run.document or Document(title, "text", text), title, text, ""


def _which() -> str:
    return st.segmented_control(
        "Shown where",
        [HERE, THERE],
        default=choices.begin("shown_where", HERE),
        required=True,
        key="shown_where",
        on_change=choices.chose,
        args=("shown_where",),
        label_visibility="collapsed",
        width="stretch",
    )


def _read(document: Document | None, tokens: int) -> None:
    """What was read, counted."""
    if document is not None and tokens:
        pages = f"{len(document.pages):,} page{'s' * (len(document.pages) != 1)}, " if document.pages else ""
        st.caption(f"With the fact: {plain(document.name)}, {pages}{theme.count(tokens)}.")
