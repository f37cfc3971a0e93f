"""A cue is put to a memory at the end of a document: what it says, without memory too, and what that draws on.

See titans_core.probes.drawn. Options: cue; length, the tokens of a continuation.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from app import memories, theme
from app.jobs.probe import Tell
from app.jobs.subjects import Subject
from app.probing.absent import absent
from app.probing.refusals import no_memory

if TYPE_CHECKING:
    from titans_core.model import ModelState

LENGTH, LONGEST = 12, 64  # tokens of a continuation
SHOWN, OF_LAYER = 6, 3  # passages that are named: of all layers together, and of each
_VALUE = re.compile(r"\W{0,4}(\d+(?:[.,]\d+)*|\w+(?:[-'’]\w+)*)")


def refusal(subject: Subject, checkpoint: str, options: dict[str, Any]) -> str:
    if problem := no_memory(checkpoint):
        return problem
    if not str(options.get("cue", "")).strip():
        return "The cue is empty: write the words that lead up to the answer."
    if not 1 <= int(options.get("length", LENGTH)) <= LONGEST:
        return f"A continuation has 1 to {LONGEST} tokens."
    if memories.recorded(checkpoint)["model"].get("memory_depth", 1) > 1:
        label = theme.label(checkpoint)
        return f"The memory of {label} has several layers: what it reads is no sum of writes, so none has a share."
    return ""


def tokens(subject_tokens: int, options: dict[str, Any]) -> int:
    return 3 * subject_tokens  # with the fact, without it, and once more to find what was drawn on


def run(model: Any, subject: Subject, options: dict[str, Any], tell: Tell) -> dict[str, Any]:
    from titans_core.probes.asking import ZEROED, blind  # noqa: PLC0415 (loads torch)
    from titans_core.probes.continuing import continued, cue_of, spaced  # noqa: PLC0415
    from titans_core.probes.drawn import asked, drawn  # noqa: PLC0415

    cue, count = str(options["cue"]), int(options.get("length", LENGTH))
    expected = subject.answer.strip() if cue.strip() == subject.cue.strip() else ""
    encoding = model.tokenizer.encode(subject.text)
    reading = _Reading(model, subject, encoding, tell)
    whole, without = reading.states()
    ids = spaced(model, whole, cue_of(model.tokenizer, cue))
    ways = [("memory", whole, None), ("zeroed", blind(model, encoding.ids), ZEROED)]
    ways += [("removed", without, None)] if without is not None else []
    rows = []
    for name, state, settings in ways:
        said = continued(model, state, ids, count, settings)
        rows.append({"name": name, **_row(model, said, expected)})
        if name == "memory":
            answer = said.ids[: rows[0]["tokens"]]
    readings = asked(model, whole, ids, answer)
    found = drawn(model, encoding.ids[: readings.tokens], readings, progress=reading.told)
    value = rows[0]["value"]
    return {
        "cue": cue,
        "expected": expected,
        "total": len(encoding.ids),
        "seen": len(encoding.ids) - readings.tokens,
        "rows": rows,
        "stands": _stands(value, subject),
        "absent": absent(model.name, len(encoding.ids)),
        **_passages(subject, encoding, found),
    }


class _Reading:
    """Reads the document as far as a question needs it. What was read for an earlier question stays in `tell.memo`."""

    def __init__(self, model: Any, subject: Subject, encoding: Any, tell: Tell) -> None:
        from titans_core.probes.places import Place, tokens_of  # noqa: PLC0415

        self._model, self._ids, self._tell = model, encoding.ids, tell
        self._key = "ask", model.weights_sha256
        has_fact = subject.start < subject.end
        place = Place(subject.text, subject.start, subject.end)
        self._fact = tokens_of(encoding, place) if has_fact else None
        again = 0 if self._key in tell.memo else len(self._ids) + (len(self._ids) - self._fact[1] if self._fact else 0)
        self._done, self._total = 0, again + len(self._ids)

    def told(self, read: int) -> None:
        self._done += read
        self._tell.progress(self._done, self._total)

    def states(self) -> tuple[ModelState, ModelState | None]:
        """After the document, and after it without its fact; None where no fact is chosen."""
        from titans_core.probes.reading_on import read_on  # noqa: PLC0415

        if self._key not in self._tell.memo:
            start, end = self._fact or (0, 0)
            passed = dict(read_on(self._model, self._ids, [start], progress=self.told))
            without = None
            if self._fact:
                fork = passed.get(start) or self._model.start(1)
                rest = self._ids[end:]
                after = dict(read_on(self._model, rest, state=fork, progress=self.told)) if len(rest) else {}
                without = after.get(len(rest), fork)
            self._tell.memo[self._key] = passed[len(self._ids)], without
        found: tuple[ModelState, ModelState | None] = self._tell.memo[self._key]
        return found


def _row(model: Any, said: Any, expected: str) -> dict[str, Any]:
    """value: the number or word that a continuation begins with, or the expected answer; p: its probability.

    tokens: that the value has. entropy: of the first, in bits. text: all of the continuation.
    """
    text = model.tokenizer.decode(said.ids)
    begins = len(text) - len(text.lstrip())
    found = _VALUE.match(text)
    if expected and text.startswith(expected, begins):
        value, end = expected, begins + len(expected)
    else:
        value, end = (found[1], found.end()) if found else ("", len(text))
    count = next(n for n in range(1, len(said.ids) + 1) if len(model.tokenizer.decode(said.ids[:n])) >= end)
    p = float(np.prod(said.p[:count]))
    return {"text": text, "value": value, "tokens": count, "p": p, "entropy": said.entropy}


def _stands(value: str, subject: Subject) -> dict[str, Any] | None:
    """How often the value stands in the document as a word of its own, and where first; None where it does not."""
    pattern = re.compile(rf"(?<!\w){re.escape(value)}(?!\w)", re.IGNORECASE)
    found = [match.start() for match in pattern.finditer(subject.text)] if value else []
    return {"count": len(found), "place": subject.place(found[0]), "start": found[0]} if found else None


def _passages(subject: Subject, encoding: Any, found: Any) -> dict[str, Any]:
    """toward: bits of the answer's log-odds that hang on passages that speak for it. share: a passage's part of that.

    bits, read: of each layer: what of the log-odds hangs on the passage, and its share of the read.
    """
    from titans_core.probes.places import passages  # noqa: PLC0415

    borders = passages(encoding, subject.text)
    count = found.pull.shape[1]
    firsts = borders[borders < count]
    if not len(firsts):
        return {"toward": 0.0, "layers": [], "passages": [], "count": 0}
    pull, read = (np.add.reduceat(part, firsts, axis=1) for part in (found.pull, found.read))
    whole = pull.sum(0)
    toward = float(whole[whole > 0].sum())
    layers = [
        {"toward": float(row[row > 0].sum()), "own": _number(own)} for row, own in zip(pull, found.own, strict=True)
    ]
    named = [*np.argsort(-whole)[:SHOWN], *(i for row in pull for i in np.argsort(-row)[:OF_LAYER] if row[i] > 0)]
    listed = []
    for i in sorted({*map(int, named)}, key=lambda i: -whole[i]):
        stop = int(firsts[i + 1]) if i + 1 < len(firsts) else count
        start, end = int(encoding.start[firsts[i]]), int(encoding.end[stop - 1])
        listed.append({
            "start": start,
            "end": end,
            "place": subject.place(start + len(subject.text[start:end]) - len(subject.text[start:end].lstrip())),
            "text": subject.text[start:end].strip(),
            "share": float(whole[i]) / toward if toward else 0.0,
            "bits": pull[:, i].tolist(),
            "read": [_number(value) for value in read[:, i]],
        })  # fmt: skip
    return {"toward": toward, "layers": layers, "passages": listed, "count": len(firsts)}


def _number(value: float) -> float | None:
    """None where a layer read nothing: JSON has no NaN."""
    return float(value) if np.isfinite(value) else None
