"""What tools/load.py does is what a browser does: its sessions run texts, see their own alone, and are answered."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools"


def test_two_sessions_use_the_dashboard(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(TOOLS)
    import load
    import load_session

    whole: dict[str, set[bool]] = {}
    act = load_session.Session._act

    async def noted(session: load_session.Session, socket: object, kind: str, *given: object) -> None:
        await act(session, socket, kind, *given)
        whole.setdefault(kind, set()).add(session.whole)

    monkeypatch.setattr(load_session.Session, "_act", noted)
    with ThreadPoolExecutor(1) as thread:  # this one may have a browser's event loop already
        seen = thread.submit(lambda: asyncio.run(load.load(server, os.getpid(), 2, 8, 0.5, 3))).result()
    assert not seen.leaks
    assert not seen.counts["exceptions"]
    assert not [count for count in seen.counts if "ended" in count or "said" in count]
    assert seen.counts["texts with the own secret"]
    assert seen.pages
    assert set(seen.answers) == {"typed", "token", "signal", "run"}
    assert whole["run"] == {True}
    assert whole["typed"] == whole["token"] == whole["signal"] == {False}, "they draw their own parts anew, no more"
