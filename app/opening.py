"""Opening a page: what a browser draws first, and waiting until it has."""

from __future__ import annotations

import threading

PATIENCE = 2.0  # seconds that the rest waits at most; a page in the background draws nothing
FIRST = ("text", "timelines")  # what a browser draws first, one after the other: all else keeps it from that
_awaited: dict[tuple[str, str], threading.Event] = {}  # (run, part) -> a browser that opens it has drawn that part


def announce(run: str) -> None:
    """A browser opens the page of this run, and will tell when it has drawn the parts that come first."""
    if len(_awaited) < 1_000:
        for part in FIRST:
            _awaited.setdefault((run, part), threading.Event())


def drawn(run: str, part: str) -> None:
    """A browser tells that it has drawn one of FIRST. Of what nobody waits for, nothing is noted."""
    if (run, part) in _awaited:
        _awaited[run, part].set()


def after(part: str, run: str) -> None:
    """Wait for one of FIRST where a browser was announced. One that does not draw it is not waited for again."""
    event = _awaited.get((run, part))
    if event is None:
        return
    late = not event.wait(PATIENCE)
    for other in FIRST if late else (part,):
        _awaited.pop((run, other), None)
