"""The needle grid: how often a fact is found again, by the length of the text and the depth at which it stands."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from titans_core.evaluation.answering import Answer, Batching, device_name, score
from titans_core.evaluation.cells import CONTROLS, Cell, Key
from titans_core.evaluation.forms import form_of
from titans_core.evaluation.needles import summary
from titans_core.model import Model
from titans_core.probes.spots import Spot, texts
from titans_core.tasks import Episode, TaskSource


def answers(
    model: Model, spot: Spot, asked: Sequence[Episode], *, progress: Callable[[int], None] = lambda tokens: None
) -> list[Answer]:
    """What the model makes of texts of this cell. progress: told the tokens just read; may raise to cancel."""
    batching = Batching.of(model.device)
    return score(model, asked, CONTROLS[spot.control], form_of(spot.task), batching=batching, progress=progress)


def fill(
    model: Model,
    source: TaskSource,
    spot: Spot,
    n: int,
    *,
    seed: int = 0,
    progress: Callable[[int], None] = lambda tokens: None,
) -> Cell:
    """Ask the model in n texts of this cell: see `answers`."""
    begun = time.monotonic()
    found = answers(model, spot, texts(source, spot, n, seed), progress=progress)
    key = Key(spot.task, spot.length, spot.control)
    return summary(key, found, "", time.monotonic() - begun, device_name(model.device))
