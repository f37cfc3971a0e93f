"""What is left of every write of a document: see titans_core.probes.retention, whose answer this is."""

from __future__ import annotations

import functools
from typing import Any

from app.jobs.probe import Tell
from app.jobs.subjects import Subject
from app.probing.refusals import no_memory
from titans_core.tokenizer import Tokenizer

LEAST = 64  # tokens of a document


def refusal(subject: Subject, checkpoint: str, options: dict[str, Any]) -> str:
    if problem := no_memory(checkpoint):
        return problem
    if len(subject.text) < 64 * LEAST and len(_tokenizer().encode(subject.text)) < LEAST:
        return f"The document is too short for a retention map; it needs at least {LEAST} tokens."
    return ""


def tokens(subject_tokens: int, options: dict[str, Any]) -> int:
    return subject_tokens


def run(model: Any, subject: Subject, options: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """Retention.to_dict without what the gates leave of each cell, and checkpoint.

    fact: its first token and the one after its last, None without one. row_characters, time_characters: where in the
    text each of rows begins, and how far was read at each of times.
    """
    from titans_core.probes.places import Place, tokens_of  # noqa: PLC0415
    from titans_core.probes.retention import retention  # noqa: PLC0415 (loads torch)

    encoding = model.tokenizer.encode(subject.text)
    found = retention(model, encoding.ids, progress=tell.progress).to_dict()
    for layer in found["layers"]:
        del layer["map_by_gates"]  # not shown, and half of what would be stored
    return {
        "checkpoint": model.name,
        "fact": list(tokens_of(encoding, Place(subject.text, subject.start, subject.end))) if subject.fact else None,
        "row_characters": [*encoding.start[found["rows"][:-1]].tolist(), len(subject.text)],
        "time_characters": [int(encoding.end[time - 1]) for time in found["times"]],
        **found,
    }


@functools.cache
def _tokenizer() -> Tokenizer:
    return Tokenizer.load()
