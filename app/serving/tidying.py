"""Garbage is collected and memory given back now and then, where Streamlit would collect after every redraw.

That takes 5 to 20 ms of all that a redraw takes, more the more runs are open, and while it lasts no page is answered.
The settings turn it off (`runner.postScriptGC`); what Python collects by itself, it goes on collecting.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from app.jobs import memory

EVERY = 10.0  # seconds


def begin(every: float = EVERY) -> Callable[[], None]:
    """Start to do so in a thread; what ends it."""
    ended = threading.Event()

    def tidy() -> None:
        while not ended.wait(every):
            memory.give_back()

    threading.Thread(target=tidy, name="tidying", daemon=True).start()
    return ended.set
