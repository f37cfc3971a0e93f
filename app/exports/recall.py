"""The finished probes of recall of a document, in the files that `titans recall` writes."""

from __future__ import annotations

import io
import json

from app import memories, runs
from app.jobs import Probe, Subject
from app.jobs.probe import Answer
from titans_core import sheets
from titans_core.probes import recalled
from titans_core.probes.places import Place


def answers(name: str, subject: Subject) -> dict[str, Answer]:
    """What each memory that was asked still knew of the subject `name`, by checkpoint."""
    probes = {memory: Probe("recall", name, memory, subject.title) for memory in memories.names()}
    found = {memory: runs.engine().answer(probe.id) for memory, probe in probes.items()}
    return {memory: answer for memory, answer in found.items() if answer is not None}


def json_file(name: str, subject: Subject) -> bytes:
    place = Place(subject.text, subject.start, subject.end)
    asked = recalled.asked(place, subject.cue, subject.answer, recalled.POINTS, recalled.QUESTIONS)
    results = [{"weights_sha256": memories.weights(memory), **one} for memory, one in answers(name, subject).items()]
    return (json.dumps({**asked, "title": subject.title, "results": results}, indent=1) + "\n").encode()


def csv_file(name: str, subject: Subject) -> bytes:
    written = io.StringIO(newline="")
    sheets.write(written, recalled.table(list(answers(name, subject).values())))
    return written.getvalue().encode()
