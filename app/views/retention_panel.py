"""The retention map: what is left of every write at later moments, and the forgetting curve beside it."""

from __future__ import annotations

import streamlit as st

from app import choices, state, theme
from app.figures import forgetting, retention, retention_words
from app.figures.retention import Answer
from app.jobs import Probe, Subject
from app.probing import KINDS
from app.runs import texts
from app.views import parts, probing
from app.views.retention_places import where
from app.words import words

KIND = "retention"


def probe(subject_id: str, subject: Subject, checkpoint: str, device: str) -> Probe:
    return Probe(KIND, subject_id, checkpoint, subject.title, device=device)


def panel(subject_id: str, subject: Subject, checkpoints: tuple[str, ...], device: str) -> None:
    with st.container(border=True, key="panel_retention"):
        _panel(subject_id, subject, checkpoints, device)


@st.fragment
def _panel(subject_id: str, subject: Subject, checkpoints: tuple[str, ...], device: str) -> None:
    parts.title("Retention map", "written → asked later")
    refused = {name: KINDS[KIND].refusal(subject, name, {}) for name in checkpoints}
    asked = [probe(subject_id, subject, name, device) for name in checkpoints if not refused[name]]
    for reason in dict.fromkeys(filter(None, refused.values())):
        st.caption(state.plain(reason))
    at = probing.standing(asked)
    st.caption(words("retention"))
    answers = [at.done[one.id] for one in asked if one.id in at.done]
    if answers:
        _answer(subject, answers)
    probing.going(KIND, asked)
    if at.open:
        tokens = KINDS[KIND].tokens(texts.count_tokens(subject.text) or 0, {})
        probing.start(KIND, at.open, tokens, "Map")


def _answer(subject: Subject, answers: list[Answer]) -> None:
    with st.container(horizontal=True):
        answer = _memory(answers)
        layer = _layer(answer)
    left, right = st.columns([1, 1], gap="medium")
    with left:
        _map(subject, answer, layer)
    with right:
        _curve(answer, layer)


def _map(subject: Subject, answer: Answer, layer: int | None) -> None:
    places = where(answer, subject)
    parts.plot(
        f"retention_map_{answer['checkpoint']}",
        retention.retention_map(answer, layer, places, state.palette()),
        retention_words.map_summary(answer, layer),
    )
    st.caption(f"{retention_words.cells(answer, layer)} {retention_words.read(answer)}")
    parts.table("retention_map", lambda: retention_words.map_table(answer, layer, places))


def _curve(answer: Answer, layer: int | None) -> None:
    palette = state.palette()
    parts.title("Forgetting curve", "share left, by tokens since the write")
    parts.plot(
        f"retention_curve_{answer['checkpoint']}",
        forgetting.forgetting(answer, layer, palette),
        retention_words.curve_summary(answer, layer),
    )
    st.html(forgetting.legend(answer, palette))
    st.markdown(retention_words.sentence(answer, layer))
    if further := retention_words.beyond(answer, layer):
        st.caption(f"The curve goes on to {further}, outside the picture.")
    parts.table("retention_curve", lambda: retention_words.curve_table(answer))
    with st.expander("How to read this"):
        st.caption(words("retention_note"))


def _memory(answers: list[Answer]) -> Answer:
    """The one that was chosen, at first the first."""
    named = {theme.label(answer["checkpoint"]): answer for answer in answers}
    return named[_chosen("Memory", list(named))]


def _layer(answer: Answer) -> int | None:
    """One of several layers, or None for all together, as at first."""
    named = {retention_words.layer_name(layer): layer for layer in retention.layers(answer)}
    if len(named) == 2:  # all, which are one
        return None
    return named[_chosen("Layer", list(named))]


def _chosen(name: str, options: list[str]) -> str:
    """What was chosen last, also where there are other options now, as when another memory was mapped."""
    if len(options) == 1:
        return options[0]
    kept, key = f"retention {name}", f"retention {name} of {' '.join(options)}"
    before = st.session_state.get(kept)
    chosen = st.segmented_control(
        name,
        options,
        default=choices.begin(key, before if before in options else options[0]),
        format_func=state.plain,
        required=True,
        key=key,
        label_visibility="collapsed",
    )
    st.session_state[kept] = chosen
    return str(chosen)
