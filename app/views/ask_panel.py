"""The panel "Ask": a cue is put to each memory at the end of the document; what it says, and what that draws on."""

from __future__ import annotations

import streamlit as st

from app import state, theme
from app.components.typing import typing
from app.figures import ask as figures
from app.figures import ask_words, frame, recall
from app.figures.ask import Answer
from app.jobs import Probe, Subject
from app.probing import KINDS
from app.probing.lacking import lacking
from app.runs import texts
from app.views import parts, probing
from app.words import words


def probe(subject_id: str, subject: Subject, checkpoint: str, device: str, cue: str) -> Probe:
    return Probe("ask", subject_id, checkpoint, subject.title, (("cue", cue.strip()),), device)


def panel(subject_id: str, subject: Subject, checkpoints: tuple[str, ...], device: str) -> None:
    with st.container(border=True, key="panel_ask"):
        _panel(subject_id, subject, checkpoints, device)


@st.fragment
def _panel(subject_id: str, subject: Subject, checkpoints: tuple[str, ...], device: str) -> None:
    parts.title("Ask", "", words("ask_note"))
    cue = st.text_area(
        "Cue",
        subject.cue,
        key=f"ask_cue_{subject_id}",
        height=90,
        label_visibility="collapsed",
        placeholder="The words that lead up to the answer",
    )
    typing("ask_cue")
    refused = {name: KINDS["ask"].refusal(subject, name, {"cue": cue}) for name in checkpoints}
    for reason in dict.fromkeys(filter(None, refused.values())):
        st.caption(state.plain(reason))
    asked = [probe(subject_id, subject, name, device, cue) for name in checkpoints if not refused[name]]
    at = probing.standing(asked)
    if at.open:
        tokens = KINDS["ask"].tokens(texts.count_tokens(subject.text) or 0, {})
        probing.start("ask", at.open, tokens, "Ask")
    going = bool(at.live)
    st.session_state["ask_told"] = False
    st.fragment(_answers, run_every=0.3 if going else None)(asked, subject, going)


def _answers(asked: list[Probe], subject: Subject, going: bool) -> None:
    """What was found, as it comes: nothing else of the page is drawn anew for it."""
    probing.problems(asked)
    live = probing.bars("ask", asked)
    at = probing.standing(asked)
    found = at.partial | at.done
    answers = {one.checkpoint: found[one.id] for one in asked if one.id in found}
    shades = recall.colours(list(answers), state.palette())
    for name, answer in answers.items():
        _answer(name, answer, subject, shades[name])
    if going and not live:
        if st.session_state["ask_told"]:  # all stands there already: this ends the polling, which only a full run can
            st.rerun()
        st.session_state["ask_told"] = True


def _answer(name: str, answer: Answer, subject: Subject, colour: str) -> None:
    palette, title = state.palette(), theme.label(name)
    st.html(f'<b style="color:{colour};font-size:0.9rem">{frame.plain(title)}</b>{figures.rows(answer, palette)}')
    if warned := ask_words.warning(answer, title, lacking(answer["cue"], subject)):
        st.warning(state.plain(warned))
    else:
        st.caption(state.plain(ask_words.stands(answer)))
    if "passages" in answer:  # not yet, in what was found so far
        _drawn(name, answer, subject, colour)
        parts.table(f"ask_{name}", lambda: ask_words.table(answer))


def _drawn(name: str, answer: Answer, subject: Subject, colour: str) -> None:
    """The passages by name and share; of the chosen one its words, and its part by layer."""
    st.caption(state.plain(ask_words.drew(answer)))
    listed = ask_words.named(answer)
    fact = subject.start if subject.fact else None
    chosen = st.pills(
        "Passages",
        range(len(listed)),
        format_func=lambda k: state.plain(ask_words.label(listed[k], listed, fact)),
        key=f"ask_passage_{name}_{answer['cue']}",
        label_visibility="collapsed",
    )
    if chosen is None:
        return
    passage, palette = listed[chosen], state.palette()
    st.html(
        f'<div class="ts-quote" style="border-color:{colour}">{frame.plain(passage["text"])}</div>'
        f'<div style="color:{palette.muted};font-size:0.8rem;margin:4px 0">{frame.plain(passage["place"])}</div>'
        + figures.bars(passage, figures.largest(answer), palette, colour)
    )
