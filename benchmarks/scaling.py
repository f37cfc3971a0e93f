"""What it takes to give Titanscope to 10, 1,000 or 100,000 people: `python -m benchmarks.scaling`.

Prints docs/scaling.md from the figures in assets/measured, with assumptions of your own where an option changes them.
`--write` simulates with the assumptions as they stand here, and writes docs/scaling.md and what was simulated, which
lies in assets/measured/scaling-queue.json. What is measured there is said by that page itself.
"""

from __future__ import annotations

import json
import math
import sys
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import click

from benchmarks import scaling_tables
from benchmarks.queueing import Found, Office, smallest
from benchmarks.scaling_figures import (
    MEMORIES,
    Record,
    Straight,
    Texts,
    Work,
    gpu_seconds,
    guess,
    parts,
    promise,
    run_seconds,
    speeds,
)

ROOT = Path(__file__).parents[1]
MEASURED = ROOT / "assets" / "measured"
NOTE = ROOT / "docs" / "scaling.md"
QUEUE = MEASURED / "scaling-queue.json"
PRESSES = 100_000  # that are simulated for a row
SHORTEST = 300.0  # seconds that are, at least
WARM = 5  # thoughts before anything is counted: by then the line is as long as it stays


def _of(default: Any, words: str) -> Any:
    return field(default=default, metadata={"words": words})


@dataclass(frozen=True)
class Assumptions:
    """What nobody measured: each is an option of the command."""

    think: float = _of(120.0, "mean seconds from a person's last result to the next press, exponential")
    several: float = _of(0.5, "share of presses that ask for MAC, MAG and MAL at once; the others ask for one of them")
    median: float = _of(1_600.0, "tokens of a text, the median of a lognormal distribution")
    spread: float = _of(1.5, "standard deviation of the logarithm of a text's tokens: 1.5 is a heavy tail")
    longest: float = _of(1_000_000.0, "tokens at which texts are cut: the longest that are measured")
    promise: float = _of(5.0, "seconds within which 95 of 100 presses are to begin")
    busy: float = _of(0.9, "share of the time that devices may be busy, so that one may fail")
    sessions: int = _of(20, "people at one dashboard; the loads measured below say how it bears them")
    hours: float = _of(8.0, "hours a day for which so many are at work")
    core_price: float = _of(0.05, "USD for a CPU core for an hour; put your own")
    gpu_price: float = _of(4.00, "USD for a GPU for an hour; put your own")
    seed: int = _of(1, "seed of the simulation")

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if name != "seed" and not 0 < value < math.inf:
                raise ValueError(f"--{name.replace('_', '-')} is {value}; it must be above 0")
        for name in ("several", "busy"):
            if getattr(self, name) > 1:
                raise ValueError(f"--{name} is {getattr(self, name)}; it is a share, at most 1")
        if self.longest < self.median:
            raise ValueError(f"--longest is {self.longest:g}, less than the median of {self.median:g} tokens")

    @property
    def texts(self) -> Texts:
        return Texts(self.median, self.spread, self.longest)

    def work(self, seconds: dict[str, Straight]) -> Work:
        return Work(self.texts, seconds, self.several)


PEOPLE = (10, 100, 1_000, 10_000, 100_000)


def sources() -> dict[str, Any]:
    """All that the note is made of but the simulation: `bench` has many records, `loads` too, the rest one or None."""

    def one(name: str) -> Record | None:
        path = MEASURED / name
        return json.loads(path.read_text("utf-8")) if path.exists() else None

    return {
        "bench": [json.loads(path.read_text("utf-8")) for path in sorted(MEASURED.glob("bench-*.json"))],
        "runs": one("scaling.json"),
        "gpu_runs": one("scaling-gpu.json"),
        "loads": [json.loads(path.read_text("utf-8")) for path in sorted(MEASURED.glob("load-*.json"))],
        "explore": one("explore.json"),
        "real": one("scaling-real.json"),
        "trained": {
            path.parent.name: json.loads(path.read_text("utf-8"))["training"]
            for path in sorted((ROOT / "assets" / "checkpoints").glob("*/config.json"))
        },
    }


def services(found: dict[str, Any]) -> tuple[str, dict[str, dict[str, Straight]]]:
    """How the GPU's is known (see gpu_seconds); device ("core", "gpu") -> model -> seconds of a run by its tokens."""
    own = run_seconds(found["runs"]["runs"])
    core = {model: own[model] for model in MEMORIES}
    traces = speeds(parts(found["bench"], cuda=True).get("trace", []))
    known, gpu = gpu_seconds(found["gpu_runs"], traces, core, promise("full trace of mac, a million tokens"))
    return known, {"core": core, "gpu": gpu}


def simulated(given: Assumptions, seconds: dict[str, Straight], people: int) -> Found:
    """The fewest devices that keep the promise to so many people at work at once."""
    work = given.work(seconds)
    length = max(SHORTEST, PRESSES * given.think / people)
    office = Office(
        people,
        given.think,
        devices=guess(work, people, given.think, given.promise),
        dashboards=-(-people // given.sessions),
        warm=WARM * given.think,
        length=length,
    )
    return smallest(office, work.draw, given.seed, given.promise)


def queue(given: Assumptions, found: dict[str, Any], counts: tuple[int, ...]) -> dict[str, Any]:
    """What is kept of the simulation: its assumptions, what a run takes on each device, and what was found."""
    known, devices = services(found)
    rows: dict[str, list[dict[str, Any]]] = {}
    for device, seconds in devices.items():
        rows[device] = []
        for people in counts:
            fewest = simulated(given, seconds, people)
            rows[device].append({"people": people} | asdict(fewest))
            click.echo(f"{device}: {people:,} people, {fewest.devices:,} devices", err=True)
    about = {"presses": PRESSES, "warm": WARM * given.think}
    return rounded(inputs(given, known, devices) | about | {"rows": rows})


def inputs(given: Assumptions, known: str, devices: dict[str, dict[str, Straight]]) -> dict[str, Any]:
    """What a simulation is made from."""
    lines = {device: {model: asdict(line) for model, line in each.items()} for device, each in devices.items()}
    return {"assumptions": asdict(given), "gpu": known, "seconds": lines}


def matches(kept: dict[str, Any], given: Assumptions, found: dict[str, Any]) -> bool:
    """Whether what was simulated is of these assumptions and measurements, to five figures."""

    def same(one: Any, other: Any) -> bool:
        if isinstance(one, dict) and isinstance(other, dict):
            return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
        return one == other if isinstance(one, str) else math.isclose(one, other, rel_tol=1e-5)

    return all(part in kept and same(kept[part], value) for part, value in inputs(given, *services(found)).items())


def rounded(value: Any) -> Any:
    """Floats to six figures, and keys as JSON has them."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {str(key): rounded(each) for key, each in value.items()}
    return [rounded(each) for each in value] if isinstance(value, list | tuple) else value


def counted(people: str) -> tuple[int, ...]:
    """Raises ValueError for what is not whole numbers above 0 with commas."""
    parts_of = people.split(",")
    if not all(part.strip().isdecimal() and int(part) > 0 for part in parts_of):
        raise ValueError(f"--people is {people!r}; give whole numbers above 0 with commas, such as 10,1000")
    return tuple(int(part) for part in parts_of)


def options(command: Any) -> Any:
    """An option for each assumption."""
    for one in reversed(fields(Assumptions)):
        name = "--" + one.name.replace("_", "-")
        command = click.option(name, default=one.default, show_default=True, help=one.metadata["words"])(command)
    return command


@click.command(help=__doc__)
@click.option("--people", default=",".join(map(str, PEOPLE)), show_default=True, help="at work at once, with commas")
@click.option("--write", is_flag=True, help="docs/scaling.md, with no assumption changed")
@options
def main(people: str, write: bool, **changed: Any) -> None:
    try:
        given, counts = Assumptions(**changed), counted(people)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    found = sources()
    if write and (given, counts) != (Assumptions(), PEOPLE):
        raise click.UsageError("--write takes no assumption of your own; without it the page is printed")
    kept = json.loads(QUEUE.read_text("utf-8")) if QUEUE.exists() else {}
    if write or counts != PEOPLE or not matches(kept, given, found):
        kept = queue(given, found, counts)
    if write:
        QUEUE.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    note = scaling_tables.note(found, kept, fields(Assumptions))
    if write:
        NOTE.write_text(note, encoding="utf-8")
        print(NOTE.relative_to(ROOT))
    else:
        sys.stdout.write(note)


if __name__ == "__main__":
    main()
