"""The panel "Recall after reading on": the memory itself, and what the model says."""

from __future__ import annotations

import streamlit as st

from app import runs
from app.jobs import Probe, Subject
from app.probing import KINDS
from app.views import parts, probing


def probe(subject_id: str, subject: Subject, checkpoint: str, device: str) -> Probe:
    return Probe("recall", subject_id, checkpoint, subject.title, device=device)


def panel(subject_id: str, subject: Subject, checkpoints: tuple[str, ...], device: str) -> None:
    with st.container(border=True, key="panel_recall"):
        _panel(subject_id, subject, checkpoints, device)


@st.fragment
def _panel(subject_id: str, subject: Subject, checkpoints: tuple[str, ...], device: str) -> None:
    parts.title("Recall after reading on", "")
    asked = [probe(subject_id, subject, name, device) for name in checkpoints]
    at = probing.standing(asked)
    probing.going("recall", asked)
    if at.open:
        tokens = KINDS["recall"].tokens(runs.count_tokens(subject.text) or 0, {})
        probing.start("recall", at.open, tokens, "Probe")
