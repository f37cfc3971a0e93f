"""A cue is put to a memory at the end of a document: what it says, without memory too, and what that draws on.

See titans_core.probes.drawn. Options: cue; length, the tokens of a continuation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from app import memories, theme
from app.jobs.probe import Tell
from app.jobs.subjects import Subject
from app.probing.absent import absent
from app.probing.refusals import no_memory
from app.probing.said import said, stands

if TYPE_CHECKING:
    from titans_core.model import ModelState

LENGTH, LONGEST = 12, 64  # tokens of a continuation
LONGEST_CUE = 1_000  # characters
SHOWN, OF_LAYER = 6, 3  # passages that are named: of all layers together, and of each


def refusal(subject: Subject, checkpoint: str, options: dict[str, Any]) -> str:
    if problem := no_memory(checkpoint):
        return problem
    if not str(options.get("cue", "")).strip():
        return "The cue is empty: write the words that lead up to the answer."
    if (length := len(str(options["cue"]).strip())) > LONGEST_CUE:
        return (
            f"The cue has {length:,} characters, and may have {LONGEST_CUE:,}: shorten it by {length - LONGEST_CUE:,}."
        )
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
    from titans_core.probes.continuing import continued, cue_ids, spaced  # noqa: PLC0415
    from titans_core.probes.drawn import asked, drawn  # noqa: PLC0415

    cue, count = str(options["cue"]), int(options.get("length", LENGTH))
    expected = subject.answer.strip() if cue.strip() == subject.cue.strip() else ""
    tokenizer = model.tokenizer
    encoding = tokenizer.encode(subject.text)
    reading = _Reading(model, subject, encoding, tell)
    whole = reading.whole()
    ids = spaced(model, whole, cue_ids(tokenizer, cue))
    first = continued(model, whole, ids, count)
    zeroed = continued(model, blind(model, encoding.ids), ids, count, ZEROED)
    before = tokenizer.decode(ids)
    rows = [said("memory", tokenizer, first, expected, before), said("zeroed", tokenizer, zeroed, expected, before)]
    found = None if rows[0]["inside"] else stands(rows[0]["value"], subject)
    known = {"cue": cue, "expected": expected, "rows": rows, "stands": found}
    known["absent"] = absent(model.name, len(encoding.ids))
    tell.partial(known)
    without = reading.without()
    if without is not None:
        rows.append(said("removed", tokenizer, continued(model, without, ids, count), expected, before))
    readings = asked(model, whole, ids, first.ids[: rows[0]["tokens"]])
    parts = drawn(model, encoding.ids[: readings.tokens], readings, progress=reading.told)
    return {**known, "seen": len(encoding.ids) - readings.tokens, **_passages(subject, encoding, parts)}


class _Reading:
    """Reads the document as far as a question needs it. What was read for an earlier question stays in `tell.memo`."""

    def __init__(self, model: Any, subject: Subject, encoding: Any, tell: Tell) -> None:
        from titans_core.probes.places import Place, tokens_of  # noqa: PLC0415

        self._model, self._ids, self._tell = model, encoding.ids, tell
        self._known: dict[str, ModelState] = tell.memo.setdefault(("ask", model.weights_sha256), {})
        has_fact = subject.start < subject.end
        self._fact = tokens_of(encoding, Place(subject.text, subject.start, subject.end)) if has_fact else None
        rest = len(self._ids) - self._fact[1] if self._fact else 0
        again = len(self._ids) * ("whole" not in self._known) + rest * ("without" not in self._known)
        self._done, self._total = 0, again + len(self._ids)

    def told(self, read: int) -> None:
        self._done += read
        self._tell.progress(self._done, self._total)

    def whole(self) -> ModelState:
        """After the document."""
        if "whole" not in self._known:
            start = self._fact[0] if self._fact else 0
            passed = self._after(self._ids, None, start)
            self._known["fork"] = passed.get(start) or self._model.start(1)
            self._known["whole"] = passed[len(self._ids)]
        return self._known["whole"]

    def without(self) -> ModelState | None:
        """After the document without its fact; None where no fact is chosen. After `whole`."""
        if self._fact and "without" not in self._known:
            rest, fork = self._ids[self._fact[1] :], self._known["fork"]
            self._known["without"] = self._after(rest, fork)[len(rest)] if len(rest) else fork
        return self._known.get("without")

    def _after(self, ids: np.ndarray, state: ModelState | None, stop: int = 0) -> dict[int, ModelState]:
        from titans_core.probes.reading_on import read_on  # noqa: PLC0415

        return dict(read_on(self._model, ids, [stop], state=state, progress=self.told))


def _passages(subject: Subject, encoding: Any, found: Any) -> dict[str, Any]:
    """toward: bits of the answer's log-odds that hang on passages that speak for it. share: a passage's part of that.

    bits, read: of each layer: what of the log-odds hangs on the passage, and its share of the read. count: passages.
    """
    from titans_core.probes.places import passages  # noqa: PLC0415

    borders, count = passages(encoding, subject.text), found.pull.shape[1]
    firsts = borders[borders < count]
    if not len(firsts):  # all of it is seen with the cue
        return {"toward": 0.0, "layers": [], "passages": [], "count": 0}
    pull, read = (np.add.reduceat(part, firsts, axis=1) for part in (found.pull, found.read))
    whole = pull.sum(0)
    toward = float(whole[whole > 0].sum())
    named = {*np.argsort(-whole)[:SHOWN].tolist()}
    named |= {i for row in pull for i in np.argsort(-row)[:OF_LAYER].tolist() if row[i] > 0}
    listed = []
    for i in sorted(named, key=lambda i: -whole[i]):
        stop = int(firsts[i + 1]) if i + 1 < len(firsts) else count
        start, end = int(encoding.start[firsts[i]]), int(encoding.end[stop - 1])
        start += len(subject.text[start:end]) - len(subject.text[start:end].lstrip())
        listed.append({
            "start": start,
            "end": end,
            "place": subject.place(start),
            "text": subject.text[start:end].rstrip(),
            "share": float(whole[i]) / toward if toward else 0.0,
            "bits": pull[:, i].tolist(),
            "read": [_number(value) for value in read[:, i]],
        })  # fmt: skip
    layers = [{"own": _number(own)} for own in found.own]
    return {"toward": toward, "layers": layers, "passages": listed, "count": len(firsts)}


def _number(value: float) -> float | None:
    """None where a layer read nothing: JSON has no NaN."""
    return float(value) if np.isfinite(value) else None
