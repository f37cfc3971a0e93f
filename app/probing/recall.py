"""Recall after reading on: see titans_core.probes.recall, whose answer this is."""

from __future__ import annotations

from typing import Any

from app.jobs.probe import Tell
from app.jobs.subjects import Subject
from app.probing.refusals import no_memory
from titans_core.probes.recalled import QUESTION, QUESTIONS

_NEAR = 450  # tokens that the windows of the shipped memories reach


def refusal(subject: Subject, checkpoint: str, options: dict[str, Any]) -> str:
    if problem := no_memory(checkpoint):
        return problem
    if subject.start == subject.end:
        return "No fact is chosen in this document, so there is none to ask for."
    if not subject.cue.strip() or not subject.answer.strip():
        return "The fact has no cue or no answer, so it cannot be asked for."
    return ""


def tokens(subject_tokens: int, options: dict[str, Any]) -> int:
    questions = min(QUESTIONS, subject_tokens // 64)
    return 2 * subject_tokens + questions * (min(_NEAR, subject_tokens) + 3 * QUESTION)


def run(model: Any, subject: Subject, options: dict[str, Any], tell: Tell) -> dict[str, Any]:
    from titans_core.probes.places import Place  # noqa: PLC0415
    from titans_core.probes.recall import recall  # noqa: PLC0415 (loads torch)

    place = Place(subject.text, subject.start, subject.end)
    return recall(model, place, subject.cue, subject.answer, progress=tell.progress).to_dict()
