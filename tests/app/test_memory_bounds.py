"""The server keeps runs open up to a bound: its memory is flat however many come after."""

from __future__ import annotations

import secrets
import shutil
import sys
from pathlib import Path

import pytest

from app import drawn, runs
from app.figures import aggregate, memory, memory_path
from app.jobs import memory as room
from app.kept import Kept
from app.runs import packed, traced
from app.theme import LIGHT
from titans_core.moments import moments


def resident() -> float:
    """MB."""
    room.give_back()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


def shown(source: Path, folder: Path) -> None:
    """What a page reads and keeps of a run that was never opened."""
    run = secrets.token_hex(16)
    shutil.copytree(source, folder / run)
    opened = runs.opened(run)
    assert opened is not None
    aggregate.at_hand(opened.ds)
    assert "surprise" in opened.ds
    for signal in aggregate.signals(opened.ds):
        traced.column(run, signal, None)
    packed.through_time((run,), None, None)
    found = moments(opened.ds)
    assert found is not None
    drawn.chart(("size", run), lambda: (memory.over_time(found, LIGHT, LIGHT.other), "words"))
    drawn.chart(("way", run), lambda: (memory_path.scrub(opened.ds, found, 0, LIGHT, LIGHT.other), "words"))
    shutil.rmtree(folder / run)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells the memory")
def test_memory_is_flat_beyond_the_bounds(
    finished: dict[str, str], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kept, limit in ((runs._open, 10_000_000), (traced._columns, 200_000), (drawn._charts, 500_000)):
        monkeypatch.setattr(kept, "_limit", limit)
    for _ in range(20):
        shown(store / finished["mag"], store)
    before = resident()
    for _ in range(40):
        shown(store / finished["mag"], store)
    assert len(runs._open._values) <= 10
    assert resident() - before < 6, "of 40 runs more, which would take 20 MB if all were kept"
    for kept in (runs._open, traced._columns, drawn._charts):
        assert isinstance(kept, Kept)
        assert kept._bytes <= kept._limit
