"""The product's own queue beside its simulation: `python -m benchmarks.queueing_real`.

So many people, a thread each, think and ask the dashboard's engine for runs on one CPU worker. Then the same is
simulated twenty times with the seconds that their jobs took. `python -m benchmarks.scaling` shows both.
"""

from __future__ import annotations

import json
import os
import tempfile
import threading
import time
from datetime import UTC, datetime
from typing import Any

import click
import numpy as np

from app.jobs import Job
from app.jobs.local import LocalEngine
from benchmarks.queueing import Office, simulate
from benchmarks.scaling_figures import MEMORIES, Texts
from benchmarks.scaling_measured import MEASURED, finished, prose

TEXTS = Texts(median=300, spread=1.0, longest=5_000)
DAYS = 20  # that are simulated
LOOK = 0.01  # seconds between two looks at a job


@click.command()
@click.option("--people", default=18, show_default=True)
@click.option("--think", default=20.0, show_default=True, help="mean seconds")
@click.option("--minutes", default=8.0, show_default=True)
def main(people: int, think: float, minutes: float) -> None:
    """Measure, simulate, and write both to assets/measured/scaling-real.json."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TITANSCOPE_RUNS"] = folder
        engine = LocalEngine()
        try:
            for model in MEMORIES:
                finished(engine, Job(model, prose(100), "first"))
            presses = worked(engine, people, think, 60 * minutes)
        finally:
            engine.close()
    told = {
        "command": f"python -m benchmarks.queueing_real --people {people} --think {think:g} --minutes {minutes:g}",
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "load": os.getloadavg()[0],
        "people": people,
        "think": think,
        "minutes": minutes,
        "real": told_of(presses, 60 * minutes),
        "simulated": simulated(presses, people, think, 60 * minutes),
    }
    (MEASURED / "scaling-real.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    click.echo(json.dumps(told, indent=1))


def worked(engine: LocalEngine, people: int, think: float, seconds: float) -> list[dict[str, Any]]:
    """All presses that were begun in that time: "wait" of the first job, and "seconds" of each job."""
    presses: list[dict[str, Any]] = []
    text, until = prose(round(TEXTS.longest)), time.monotonic() + seconds

    def live(person: int) -> None:
        chance = np.random.default_rng(person)
        while True:
            time.sleep(max(0.0, min(chance.exponential(think), until - time.monotonic())))
            if time.monotonic() >= until:
                return
            length = round(float(TEXTS.draw(chance, 1)[0]) / TEXTS.longest * len(text))
            models = MEMORIES if chance.random() < 0.5 else (MEMORIES[chance.integers(3)],)
            presses.append(pressed(engine, [Job(model, text[:length], "text") for model in models], str(person)))

    threads = [threading.Thread(target=live, args=(person,)) for person in range(people)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return presses


def pressed(engine: LocalEngine, jobs: list[Job], person: str) -> dict[str, Any]:
    """Ask for the jobs and see to their end. A job begins when it no longer waits."""
    asked = time.monotonic()
    going = [engine.submit(job, person) for job in jobs]
    began: dict[str, float] = {}
    ended: dict[str, float] = {}
    while len(ended) < len(going):
        for run in going:
            at = engine.progress(run)
            assert at is not None
            assert not at.broken, at.message
            if run not in began and begun(engine, run):
                began[run] = time.monotonic()
            if run not in ended and not at.live:
                ended[run] = time.monotonic()
        time.sleep(LOOK)
    return {"wait": min(began.values()) - asked, "seconds": [ended[run] - began[run] for run in going]}


def begun(engine: LocalEngine, run: str) -> bool:
    """Whether the worker has it, or had: it is not in the line any more."""
    known = engine._attempts.under(run)
    return known is None or known.id not in engine._lines["cpu"].order()


def told_of(presses: list[dict[str, Any]], seconds: float) -> dict[str, float]:
    waits = [press["wait"] for press in presses]
    busy = sum(sum(press["seconds"]) for press in presses) / seconds
    return {
        "presses": len(presses),
        "utilisation": busy,
        "mean": float(np.mean(waits)),
        "95": float(np.percentile(waits, 95)),
    }


def simulated(presses: list[dict[str, Any]], people: int, think: float, seconds: float) -> dict[str, list[float]]:
    """The same figures of every simulated day; what a press takes is drawn from what was measured."""
    taken = [tuple(press["seconds"]) for press in presses]

    def draw(chance: np.random.Generator, count: int) -> list[tuple[float, ...]]:
        return [taken[k] for k in chance.integers(len(taken), size=count)]

    office = Office(people, think, devices=1, warm=0, length=seconds)
    days = [simulate(office, draw, seed) for seed in range(DAYS)]
    jobs = sum(map(len, taken)) / len(taken)
    return {
        "presses": [day.rate * seconds / jobs for day in days],
        "utilisation": [day.utilisation for day in days],
        "mean": [day.mean_wait.value for day in days],
        "95": [day.waits[95].value for day in days],
    }


if __name__ == "__main__":
    main()
