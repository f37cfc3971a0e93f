"""The server keeps runs open up to a bound: its memory is flat however many come after."""

from __future__ import annotations

import secrets
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from streamlit.runtime.state.session_state import SessionState
from streamlit.testing.v1 import AppTest

from app import drawn, runs
from app.figures import aggregate, memory, memory_path
from app.jobs import memory as room
from app.jobs import room as stored
from app.kept import Kept
from app.runs import packed, traced
from app.serving import adapt
from app.theme import LIGHT
from tests.storing import A, B, put
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
    for kept, limit in ((runs._open, 10_000_000), (traced._columns, 3_000_000), (drawn._charts, 500_000)):
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


def clicked() -> None:
    """A page whose figure shows something else with every click, and whose other figure is a part of its own."""
    import streamlit as st

    @st.fragment
    def part(name: str, count: int) -> None:
        figure = {"data": [{"type": "bar", "y": [count]}]}
        st.plotly_chart(figure, key=name, on_select=lambda: st.session_state.update(picked=name))

    count = st.session_state.setdefault("count", 0)
    st.button("Next", on_click=lambda: st.session_state.update(count=count + 1))
    st.segmented_control("Kept", ["a", "b"], key="kept")
    part("changes", count)
    part("stays", 0)


def test_of_figures_that_are_not_shown_any_more_a_session_keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[SessionState] = []

    def remove_stale(state: SessionState, active: frozenset[str]) -> None:
        adapt.remove_stale(state, active)
        ended.append(state)

    monkeypatch.setattr(SessionState, "_remove_stale_widgets", remove_stale)
    page = AppTest.from_function(clicked).run()
    page.segmented_control(key="kept").select("b").run()

    def known() -> dict[str, object]:
        return dict(ended[-1]._new_widget_state.widget_metadata)

    before = known()
    assert len(before) == 4
    for _ in range(5):
        page.button[0].click().run()
    assert len(known()) == 4
    assert len(set(known()) & set(before)) == 3, "the others are what they were"
    assert page.session_state["kept"] == "b"


def test_of_entries_that_are_gone_the_look_through_the_store_remembers_nothing(folder: Path) -> None:
    put(A)
    put(B)
    assert len(stored.unseen()) == 2
    assert stored.unseen() == []
    shutil.rmtree(folder / A)
    assert stored.unseen() == []
    assert len(stored._seen) == 1


def test_columns_of_short_texts_are_kept_by_the_hundred_not_by_the_thousand() -> None:
    short, limit = np.zeros(1_600, np.float32), traced._columns._limit
    assert 500 < limit / traced._columns._size(short) < 1_000
