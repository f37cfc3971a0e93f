"""The needle grid of one memory: a fact hidden in texts of growing length, at several depths, and asked for.

An answer: checkpoint, and `cells` (app.needles) in the order they are read. Text number i of a cell can be laid out
again from the options: see app.probing.needle_text.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from app import facts
from app.jobs.probe import Answer, Tell
from app.jobs.subjects import Subject
from app.needles import INVENTED, MISSING, RIGHT, WRONG, Cell, adds_up, cell
from titans_core.errors import StoreError
from titans_core.evaluation.cells import length_name
from titans_core.probes import spots
from titans_core.probes.spots import Spot
from titans_core.tasks import Episode, Role

_KIND = {"right": RIGHT, "other": WRONG, "malformed": MISSING, "invented": INVENTED}  # as titans_core.evaluation.forms
HAYSTACKS = ("document", "samples")
MOST_TEXTS = 100  # of a cell


def asked(options: dict[str, Any]) -> list[Spot]:
    """The cells in the order in which they are read: from the shortest length on."""
    lengths, depths = sorted(set(options["lengths"])), sorted(set(options["depths"]))
    return [Spot(options["task"], length, depth) for length in lengths for depth in depths]


def refusal(subject: Subject, checkpoint: str, options: dict[str, Any]) -> str:
    """Why this grid cannot be asked for, as a sentence; "" where it can."""
    return next(_problems(options), "")


def _problems(options: dict[str, Any]) -> Iterator[str]:
    if options.get("task") not in spots.TASKS:
        yield f"There is no needle {options.get('task')!r}; there are {', '.join(spots.TASKS)}."
    if options.get("haystack") not in HAYSTACKS:
        yield f"There is no haystack {options.get('haystack')!r}; there are {' and '.join(HAYSTACKS)}."
    if not options.get("lengths") or not options.get("depths"):
        yield "Choose at least one length and one depth."
    if not all(type(length) is int and 0 < length <= spots.MOST for length in options["lengths"]):
        yield f"A length is a number of tokens from 1 to {spots.MOST:,}."
    if not all(isinstance(depth, int | float) and 0 <= depth <= 1 for depth in options["depths"]):
        yield "A depth is a place in the text from 0, its beginning, to 1, its end."
    if type(options.get("n")) is not int or not 1 <= options["n"] <= MOST_TEXTS:
        yield f"A cell has from 1 to {MOST_TEXTS} texts."
    if type(options.get("seed")) is not int or options["seed"] < 0:
        yield "A seed is a whole number from 0."


def tokens(subject_tokens: int, options: dict[str, Any]) -> int:
    """Tokens to read for all cells, whatever the length of the document."""
    return sum(spot.length for spot in asked(options)) * int(options["n"])


def document(subject: Subject, options: dict[str, Any]) -> str | None:
    """What the needles are hidden in: the document as it was before a fact was planted, or None for the sample texts.

    One that cannot be restored, as its subject was tampered with, loses the fact alone.
    """
    if options["haystack"] == "samples":
        return None
    original = facts.document(subject)
    return subject.text[: subject.start] + subject.text[subject.end :] if original is None else original.text


def run(model: Any, subject: Subject, options: dict[str, Any], tell: Tell) -> Answer:
    """Fill the cells that are not filled yet. Raises StoreError where those kept are damaged, which puts them aside."""
    source = spots.haystack(model.tokenizer, document(subject, options))
    try:
        cells = checked(tell.before, options)
    except StoreError:
        tell.partial(_answer(model.name, []))
        raise
    n, seed = options["n"], options["seed"]
    left = asked(options)[len(cells) :]
    memo = tell.memo.setdefault(("grid", model.weights_sha256, options["haystack"], n, seed), {})
    total, done = n * sum(spot.length for spot in left if spot not in memo), 0

    def progress(read: int) -> None:
        nonlocal done
        done += read
        tell.progress(min(done, total), total)

    progress(0)
    for spot in left:
        one = memo.get(spot)
        if one is None:
            one = memo[spot] = _filled(model, spot, spots.texts(source, spot, n, seed), progress)
        cells.append(one)
        tell.partial(_answer(model.name, cells))
    return _answer(model.name, cells)


def _filled(model: Any, spot: Spot, episodes: Sequence[Episode], progress: Callable[[int], None]) -> Cell:
    from titans_core.probes import grid  # noqa: PLC0415 (loads torch)

    begun = time.monotonic()
    found = grid.answers(model, spot, episodes, progress=progress)
    texts = [
        {
            "kind": _KIND[answer.kind],
            "needle": model.tokenizer.decode(episode.ids[episode.role == Role.FACT]).strip(),
            "value": episode.answers[0],
            "said": answer.said.strip(),
        }
        for episode, answer in zip(episodes, found, strict=True)
    ]
    return cell(spot.length, spot.depth, texts, round(time.monotonic() - begun, 3))


def _answer(checkpoint: str, cells: list[Cell]) -> Answer:
    return {"checkpoint": checkpoint, "cells": cells}


def checked(answer: Answer | None, options: dict[str, Any]) -> list[Cell]:
    """The cells of what was stored of a grid, as far as it came: the first of `asked`, in order.

    Raises StoreError for a cell that does not add up, or that is not the one asked for in its place.
    """
    if answer is None:
        return []
    cells = answer.get("cells") if isinstance(answer, dict) else None
    wanted = asked(options)
    if not isinstance(cells, list) or len(cells) > len(wanted):
        raise _damaged(f"it has no list of at most {len(wanted)} cells")
    for found, spot in zip(cells, wanted, strict=False):
        if not adds_up(found, spot.length, spot.depth, options["n"]):
            raise _damaged(f"the cell at {length_name(spot.length)}, depth {100 * spot.depth:.0f} % does not add up")
    return list(cells)


def _damaged(what: str) -> StoreError:
    return StoreError(
        f"what was kept of this grid is damaged: {what}. Begin it again; all of its cells will be read anew"
    )
