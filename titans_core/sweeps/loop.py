"""The one loop of a sweep: what is kept is taken as it is, the rest is measured by an engine and kept as it comes."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, Protocol

from titans_core.sweeps import kept
from titans_core.sweeps.cells import Cell
from titans_core.sweeps.places import Place
from titans_core.sweeps.sources import Sources


@dataclass(frozen=True)
class Outcome:
    """What became of a cell.

    result: JSON, the same whoever measured it; None where it failed. failed: why, in words. device, seconds: where it
    was measured and how long that took. kept: it was there already. set_aside: the damaged file that was found first.
    """

    result: dict[str, Any] | None
    failed: str = ""
    device: str = ""
    seconds: float = 0.0
    kept: bool = False
    set_aside: str = ""


Done = Generator[tuple[Cell, Outcome], None, None]


class Engine(Protocol):
    """What measures cells: here, or elsewhere and many at once."""

    def run(self, cells: Sequence[Cell]) -> Done:
        """Every cell once, in any order; what fails is told in its Outcome. Stops what it began when it is closed."""


@dataclass(frozen=True)
class Serial:
    """Cells one after the other, in this process, in the order given."""

    sources: Sources

    def run(self, cells: Sequence[Cell]) -> Done:
        from titans_core.sweeps import work  # noqa: PLC0415 (torch takes seconds to load: only if a cell is measured)

        try:
            for cell in cells:
                yield cell, work.attempt(cell, cell.key, self.sources)
        finally:
            work.forget()


def sweep(cells: Sequence[Cell], place: Place, engine: Engine) -> Done:
    """Every cell once, first those whose results are kept in `place`, then the others as the engine is done with them.

    Each result is in `place` before it is yielded, so that whatever ends this loop, the next one goes on from there.
    What failed is not kept: the next loop tries it again. Raises StoreError where the place cannot be read or written.
    """
    names = place.names(kept.CELLS)
    waiting: dict[str, Cell] = {}
    aside: dict[str, str] = {}
    for key, cell in {cell.key: cell for cell in cells}.items():
        found = kept.find(place, cell) if kept.is_kept(names, cell) else None
        if isinstance(found, kept.Kept):
            yield cell, Outcome(found.result, device=found.device, seconds=found.seconds, kept=True)
            continue
        if found is not None:
            aside[key] = found.name
        waiting[key] = cell
    if not waiting:
        return
    with closing(engine.run(list(waiting.values()))) as measured:
        for cell, outcome in measured:
            if outcome.result is not None:
                kept.keep(place, cell, kept.Kept(outcome.result, outcome.device, outcome.seconds))
            yield cell, replace(outcome, set_aside=aside.get(cell.key, ""))
