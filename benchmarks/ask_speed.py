"""What Ask costs: processor seconds of the first and of a second question on one document, and memory at its peak.

python -m benchmarks.ask_speed [TIMES]: the six samples so many times over; once, as a default.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import torch

import titans_core as tc
from app import facts
from app.jobs import Subject
from app.probing import ask
from benchmarks.document_speed import SAMPLES
from titans_core.probes.places import plant


class Told:
    """Takes what a probe tells; `first` is when the first lines were there."""

    before = None

    def __init__(self) -> None:
        self.memo: dict[Any, Any] = {}
        self.first = 0.0

    def progress(self, done: int, total: int) -> None:
        pass

    def partial(self, answer: dict[str, Any]) -> None:
        self.first = time.process_time()


def peak() -> float:
    """MB of this process, at most so far."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1e3


def main(times: int) -> None:
    torch.set_num_threads(1)
    text = "\n\n".join(path.read_text("utf-8") for path in sorted(SAMPLES.glob("*.txt"))) * times
    place, cue = plant(text, facts.SENTENCE, 0.5), facts.cue(facts.SENTENCE, "7304416")
    subject = Subject("samples", *place, cue, "7304416", True, depth=0.5)
    for name in ("mac", "mag", "mal"):
        model, told, before = tc.load(name), Told(), peak()
        for which, asked in (("first", cue), ("second", "The special number of the harbour book is")):
            begun = time.process_time()
            ask.run(model, subject, {"cue": asked}, told)
            seconds, lines = time.process_time() - begun, told.first - begun
            more = peak() - before
            print(f"{name}, {which} question: {lines:.1f} s to the first lines, {seconds:.1f} s in all, {more:.0f} MB")


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 1)
