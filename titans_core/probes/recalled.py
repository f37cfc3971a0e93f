"""What `probes.recall` found, as files hold it: what was asked, and a table of all numbers. No torch here."""

from __future__ import annotations

import hashlib
from typing import Any

from titans_core.probes.places import Place

FORMAT = 1
POINTS = 1000  # at which the memory itself is measured, unless others are asked for
QUESTIONS = 24  # at which the model is asked
QUESTION = 250  # tokens that are read in the time of one question, which goes through the model token by token
_MEASURES = ("loss", "cosine", "loss_removed", "cosine_removed", "cosine_shuffled")


def asked(place: Place, cue: str, answer: str, points: int, questions: int) -> dict[str, Any]:
    """What was asked, for a file of answers to it."""
    return {
        "format": FORMAT,
        "document_sha256": hashlib.sha256(place.text.encode()).hexdigest(),
        "fact": place.text[place.start : place.end],
        "at_character": place.start,
        "cue": cue,
        "answer": answer,
        "points": points,
        "questions": questions,
    }


def table(results: list[dict[str, Any]]) -> list[list[Any]]:
    """One number a row: what was measured, of which checkpoint and layer, after how many tokens."""
    rows: list[list[Any]] = [["checkpoint", "tokens", "measure", "layer", "value", "said"]]
    for one in results:
        held = one["held"]
        for name in _MEASURES:
            for tokens, values in zip(held["tokens"], held[name], strict=True):
                rows += [[one["checkpoint"], tokens, name, layer, value, ""] for layer, value in enumerate(values)]
        for name in ("loss_before", "cosine_before"):  # the same for all later tokens, so that it can be drawn beside
            for tokens in held["tokens"]:
                rows += [[one["checkpoint"], tokens, name, layer, v, ""] for layer, v in enumerate(held[name])]
        for said in one["asked"]:
            rows += [
                [one["checkpoint"], said["tokens"], f"p_{name}", "", said[name]["p"], said[name]["text"]]
                for name in ("memory", "zeroed", "removed")
            ]
    return rows
