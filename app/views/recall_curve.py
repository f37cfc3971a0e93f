"""The panel "Recall after reading on": the memory itself, and what the model says."""

from __future__ import annotations

import streamlit as st

from app import state, theme
from app.figures import frame, recall, recall_held, recall_words
from app.figures.recall import Answer
from app.jobs import Probe, Subject
from app.probing import KINDS
from app.runs import texts
from app.views import parts, probing
from app.words import words

ALL = "All layers"


def probe(subject_id: str, subject: Subject, checkpoint: str, device: str) -> Probe:
    return Probe("recall", subject_id, checkpoint, subject.title, device=device)


def panel(subject_id: str, subject: Subject, checkpoints: tuple[str, ...], device: str) -> None:
    with st.container(border=True, key="panel_recall"):
        _panel(subject_id, subject, checkpoints, device)


@st.fragment
def _panel(subject_id: str, subject: Subject, checkpoints: tuple[str, ...], device: str) -> None:
    asked = [probe(subject_id, subject, name, device) for name in checkpoints]
    at = probing.standing(asked)
    answers = {one.checkpoint: at.done[one.id] for one in asked if one.id in at.done}
    parts.title("Recall after reading on", recall_words.note(answers) if answers else "")
    probing.going("recall", asked)
    if answers:
        _model(subject, answers)
        _memory(answers)
        with st.expander("How to read this"):
            st.caption(words("recall_note"))
    if at.open and not answers:
        tokens = KINDS["recall"].tokens(texts.count_tokens(subject.text) or 0, {})
        probing.start("recall", at.open, tokens, "Probe")


def _model(subject: Subject, answers: dict[str, Answer]) -> None:
    palette = state.palette()
    answer = state.plain(subject.answer.strip())
    st.markdown(f"What the model says :small[:gray[probability of “{answer}” after the cue]]")
    parts.plot("recall_model", recall.figure(answers, palette), recall_words.model_alt(answers))
    st.html(recall.legend(palette))
    st.caption(state.plain(recall_words.model(answers)))
    parts.table("recall_model", lambda: recall_words.model_table(answers))


def _memory(answers: dict[str, Answer]) -> None:
    st.markdown("The memory itself :small[:gray[what it says to the keys of the fact, held against their values]]")
    measure, layer = _choices(max(map(recall_held.layers, answers.values())))
    known = {name: answer for name, answer in answers.items() if layer is None or layer < recall_held.layers(answer)}
    palette = state.palette()
    ends = recall_held.reach(known, measure, layer)
    shades = recall.colours(list(known), palette)
    for column, (name, answer) in zip(st.columns(len(known), gap="small"), known.items(), strict=True):
        with column:
            st.html(f'<b style="color:{shades[name]};font-size:0.9rem">{frame.plain(theme.label(name))}</b>')
            parts.plot(
                f"recall_memory_{name}",
                recall_held.figure(name, answer, measure, layer, ends[name], palette, shades[name]),
                recall_words.held_alt(name, answer, measure, layer),
            )
    st.html(recall_held.legend(palette, measure))
    st.caption(state.plain(recall_words.held(known, measure, layer)))
    parts.table("recall_memory", lambda: recall_words.held_table(known, measure, layer))


def _choices(layers: int) -> tuple[str, int | None]:
    """(measure, layer): what is chosen to be shown."""
    left, right = st.columns([1, 2])
    with left:
        measure = st.segmented_control(
            "Measure",
            [recall_held.COSINE, recall_held.LOSS],
            default=recall_held.COSINE,
            required=True,
            format_func=str.capitalize,
            key="recall_measure",
            label_visibility="collapsed",
        )
    with right:
        named = {ALL: None} | {f"Layer {k + 1}": k for k in range(layers)}
        chosen = st.segmented_control(
            "Layer", list(named), default=ALL, required=True, key=f"recall_layer_{layers}", label_visibility="collapsed"
        )
    return str(measure), named[str(chosen)]
