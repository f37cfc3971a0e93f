"""What the other panels of the Recall page found, in the forms that `titans retention` and `titans niah` write."""

from __future__ import annotations

import hashlib
import io
import json
from typing import Any

from app import memories, needles, runs
from app.jobs import Probe, Subject
from app.jobs.probe import Answer
from app.probing import grid
from titans_core import sheets
from titans_core.errors import StoreError
from titans_core.probes import spots

FORMAT = 1
_KINDS = {needles.WRONG: "other", needles.INVENTED: "invented", needles.MISSING: "malformed"}  # as `titans niah` says


def retention(name: str) -> list[Answer]:
    """The finished retention maps of the subject `name`, of every memory that has one."""
    probes = {memory: Probe("retention", name, memory, "") for memory in memories.names()}
    found = {memory: runs.engine().answer(probe.id) for memory, probe in probes.items()}
    return [{"weights_sha256": memories.weights(memory), **answer} for memory, answer in found.items() if answer]


def retention_file(name: str, subject: Subject) -> bytes:
    sha = hashlib.sha256(subject.text.encode()).hexdigest()
    return _json({"format": FORMAT, "document_sha256": sha, "title": subject.title, "results": retention(name)})


def cells(name: str, address: str) -> list[dict[str, Any]]:
    """The cells filled so far of the grid that `address` names (app.needles), of every memory; [] for no grid."""
    named = needles.from_address(address)
    options = named | {"seed": needles.SEED}
    if not named:
        return []
    found = []
    for memory in memories.names():
        answer = runs.engine().answer(Probe("grid", name, memory, "", needles.given(options)).id)
        try:
            filled = grid.checked(answer, options)
        except StoreError:  # the page says so
            continue
        own = {"checkpoint": memory, "weights_sha256": memories.weights(memory), "task": named["task"]}
        for one in filled:
            kinds = {word: one["kinds"][kind] for kind, word in _KINDS.items()}
            found.append({**own, "control": "live", **one, "kinds": kinds})
    return found


def grid_json(name: str, subject: Subject, address: str) -> bytes:
    options = needles.from_address(address)
    text = grid.document(subject, options)
    of = "samples" if text is None else hashlib.sha256(text.encode()).hexdigest()
    asked = {"format": FORMAT, "haystack": of, "task": options["task"], "control": "live", "n": options["n"]}
    return _json(asked | {"seed": needles.SEED, "title": subject.title, "results": cells(name, address)})


def grid_csv(name: str, address: str) -> bytes:
    """A row a cell."""
    written = io.StringIO(newline="")
    sheets.write(written, spots.table(cells(name, address)))
    return written.getvalue().encode()


def _json(found: dict[str, Any]) -> bytes:
    return (json.dumps(found, indent=1) + "\n").encode()
