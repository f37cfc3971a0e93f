"""The sidebar of Recall: a fact that is planted in the document or stands in it, and how it is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import streamlit as st

from app import choices, facts, theme
from app.bare import sentence
from app.components.typing import typing
from app.jobs import Subject
from app.runs import texts
from app.state import plain
from titans_core.documents import Document
from titans_core.errors import TextError, TitansError
from titans_core.probes import places
from titans_core.probes.places import Place
from titans_core.probes.questions import Question, cue_of

PLANT, FIND = "Plant one", "In the document"
WAITS = "Probe waits for a fact that can be asked for."
ALIGNED = 64  # tokens: titans_core.probes.recall.ALIGNED, which would load torch
_LONGEST = 500  # characters of a field


@dataclass(frozen=True)
class Fact:
    """What is asked for in the document; None where it cannot be, and `problem` says so."""

    subject: Subject | None
    tokens: int = 0
    problem: str = ""


def asking_for(subject: Subject, planted: bool) -> dict[str, object]:
    """The choices that ask for the fact of this subject. planted: as it was; else it is found in the text with it."""
    kind = {"fact_kind": PLANT, "fact_planted": subject.fact, "fact_depth": round(100 * subject.depth)}
    if not planted:
        kind = {"fact_kind": FIND, "fact_words": subject.fact}
    return kind | {"fact_cue": subject.cue, "fact_answer": subject.answer}


def fact(document: Document | None) -> Fact:
    """Draw the controls, each with what is wrong beside it. document: the chosen one, if there is one."""
    st.caption("FACT")
    kind = st.segmented_control(
        "Fact",
        [PLANT, FIND],
        default=choices.begin("fact_kind", PLANT),
        required=True,
        key="fact_kind",
        on_change=_told,
        args=("fact_kind",),
        label_visibility="collapsed",
        width="stretch",
    )
    place = _planted(document) if kind == PLANT else _found(document)
    question = _question()
    typing("fact_")
    if document is None or place is None:
        return Fact(None, problem=WAITS if document is not None else "")
    tokens = _tokens(place)
    if question is None or not tokens:
        return Fact(None, problem=WAITS)
    depth = st.session_state["fact_depth"] / 100 if kind == PLANT else None
    return Fact(facts.subject(document, place, *question, depth), tokens)


def _planted(document: Document | None) -> Place | None:
    said = st.text_area(
        "Sentence",
        choices.begin("fact_planted", facts.SENTENCE),
        key="fact_planted",
        height=90,
        on_change=_told,
        args=("fact_planted",),
    )
    wrong = st.container()
    depth = st.slider(
        "Depth in the document",
        0,
        100,
        choices.begin("fact_depth", 10),
        key="fact_depth",
        format="%d %%",
        on_change=choices.chose,
        args=("fact_depth",),
    )
    if document is None or _too_long("sentence", said, wrong):
        return None
    try:
        return facts.planted(document.text, said, depth / 100)
    except TitansError as error:
        wrong.error(plain(sentence(error)))
        return None


def _found(document: Document | None) -> Place | None:
    said = st.text_area(
        "Words that stand in it",
        choices.begin("fact_words", ""),
        key="fact_words",
        height=90,
        placeholder="Copy a sentence of the document",
        on_change=_told,
        args=("fact_words",),
    )
    if document is None or _too_long("fact", said, st):
        return None
    try:
        place = places.find(document.text, said)
    except TitansError as error:
        (st.error if said else st.caption)(plain(sentence(error)))
        return None
    if (times := document.text.count(said)) > 1:
        st.caption(
            f"These words stand {times:,} times in the document. The first is asked for, and it alone is taken out in "
            "“fact removed”: a reading without it still has the others."
        )
    return place


def _question() -> tuple[str, str] | None:
    """(cue, answer), or None where they cannot be asked."""
    said = _said()
    answer = st.text_input(
        "Answer",
        choices.begin("fact_answer", facts.answer_of(said)),
        key="fact_answer",
        on_change=_told,
        args=("fact_answer",),
    )
    no_answer = st.container()
    cue = st.text_area(
        "Cue, read before it",
        choices.begin("fact_cue", facts.cue(said, answer)),
        key="fact_cue",
        height=90,
        on_change=choices.chose,
        args=("fact_cue",),
    )
    if _too_long("answer", answer, no_answer) or _too_long("cue", cue, st):
        return None
    try:
        if not cue.strip() and answer.strip():
            cue_of(said, answer)  # says why there is none by itself
        Question.of(texts.tokenizer(), cue if answer.strip() else said, answer)  # of two empty fields the first is said
    except TextError as error:
        about_cue = answer.strip() and not cue.strip()
        if said.strip():
            (st if about_cue else no_answer).error(plain(sentence(error)))
        return None
    return cue, answer


def _too_long(what: str, said: str, beside: Any) -> bool:
    """Whether it is, which is then said; a field with `max_chars` would drop what is pasted without a word."""
    over = len(said) - _LONGEST
    if over > 0:
        beside.error(f"The {what} has {len(said):,} characters, and may have {_LONGEST}: shorten it by {over:,}.")
    return over > 0


def _tokens(place: Place) -> int:
    """How many tokens the text has; 0, which is said, where too few follow the fact."""
    found = texts.fact_tokens(place)
    if found is None:
        return 0
    _, end, total = found
    if -(-end // ALIGNED) > total // ALIGNED:
        st.error(
            f"After the fact {theme.count(total - end)} are left; memories are asked after every {ALIGNED}. "
            "Take a longer document, or a fact that stands earlier."
        )
        return 0
    return total


def _said() -> str:
    """The fact as it is told in the field of its kind."""
    planting = choices.value("fact_kind", PLANT) == PLANT
    return str(choices.value("fact_planted", facts.SENTENCE) if planting else choices.value("fact_words", ""))


def _told(name: str) -> None:
    """The fact or its answer is another one: what follows from it is put into the fields."""
    choices.chose(name)
    answer = str(choices.value("fact_answer", ""))
    if name != "fact_answer" and (not answer.strip() or answer.strip() not in _said()):
        answer = facts.answer_of(_said())
        choices.put("fact_answer", answer)
    choices.put("fact_cue", facts.cue(_said(), answer))
