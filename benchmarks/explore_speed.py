"""The speed of the Explore page against its bars: `python benchmarks/explore_speed.py`. Prints one table.

Every repeat starts a server of its own and opens a run that this server has never read, in headless Chromium, where the
app's own files are in the cache. The runs are of made-up values over real text. "Result to first paint" is measured
where the page stands open while a memory reads the same text: from the end of the run until it is drawn. Opening a link
loads the page besides. Numbers mean something on an otherwise idle machine only; the bars are for two cores.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from math import isnan, nan
from pathlib import Path
from statistics import median
from typing import NamedTuple

import click
from explore_browser import journey, server
from explore_finish import finish
from explore_stores import make
from playwright.sync_api import sync_playwright

import titans_core as tc
from app.jobs import imports, store

BROWSERS = ("chromium", "google-chrome", "chromium-browser")
SHORT = 2_000  # tokens of the run that warms up server and browser
RUN = 100_000  # tokens that are read by a memory as well, which takes half a minute each time

Found = dict[str, float]


class Bar(NamedTuple):
    """value: from what one repeat found and its number of tokens. goal: at most this; None where there is no bar."""

    name: str
    unit: str
    value: Callable[[Found, int], float]
    goal: Callable[[int], float | None] = lambda tokens: None


def _paint(tokens: int) -> float | None:
    return {100_000: 1.0, 1_000_000: 2.5}.get(tokens)


def _of(*names: str) -> Callable[[Found, int], float]:
    """The slowest of these; NaN where they were not measured."""
    return lambda found, tokens: max(found.get(name, nan) for name in names)


BARS = (
    Bar("result to first paint: text", "s", _of("finish text"), _paint),
    Bar("  timelines", "s", _of("finish timelines"), _paint),
    Bar("a link opened: text", "s", _of("paint text"), lambda tokens: _paint(tokens) if tokens > RUN else None),
    Bar("  timelines", "s", _of("paint timelines")),
    Bar("  layer map", "s", _of("paint layer_map")),
    Bar("  whole text laid out", "s", _of("paint laidOut")),
    Bar("  CPU time of the server", "s", _of("server")),
    Bar("scroll, 95th percentile of frames", "s", _of("scroll"), lambda tokens: 0.034),
    Bar("switch of the signal", "s", _of("switch"), lambda tokens: 0.5),
    Bar("zoom to a fifth: both figures", "s", _of("zoom 1 timelines", "zoom 1 layer_map"), lambda tokens: 0.4),
    Bar("zoom to a fiftieth: both figures", "s", _of("zoom 2 timelines", "zoom 2 layer_map"), lambda tokens: 0.4),
    Bar("on the wire per 100,000 tokens", "MB", lambda found, n: found["wire"] / n / 10, lambda tokens: 1.5),
    Bar(
        "server memory above idle",
        "MB",
        lambda found, n: found["memory"] / 1e6,
        lambda tokens: 300 if tokens <= 1_000_000 else None,
    ),
)


@click.command()
@click.option("--tokens", default="100000,1000000", show_default=True, help="lengths of the runs, with commas")
@click.option("--repeats", default=5, show_default=True, help="the median of so many is printed")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="a JSON file of what was printed")
def main(tokens: str, repeats: int, out: Path | None) -> None:
    """Make the runs, open each `repeats` times, print the bars; everything made is removed."""
    lengths = [int(part) for part in tokens.split(",")]
    path = next(filter(None, map(shutil.which, BROWSERS)), None)  # None: playwright's own
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        os.environ["TITANSCOPE_RUNS"] = str(folder / "runs")
        runs = {length: _imported(folder, length) for length in (SHORT, *lengths)}
        rows: list[dict[str, float]] = []
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        for length in lengths:
            found = []
            for _ in range(repeats):
                with server(folder / "server.log") as at:
                    found.append(journey(browser, at, runs[SHORT], runs[length]))
                    if length <= RUN:
                        found[-1] |= finish(browser, at, runs[SHORT], _text(runs[length]), folder / "runs")
            _print(length, found)
            names = set.intersection(*(set(one) for one in found))
            rows.append({"tokens": length} | {name: median(one[name] for one in found) for name in sorted(names)})
        browser.close()
    if out is not None:
        command = f"python benchmarks/explore_speed.py --tokens {tokens} --repeats {repeats}"
        about = {"command": command, "when": datetime.now(UTC).isoformat(timespec="seconds")}
        about |= {"load": os.getloadavg()[0]}
        out.write_text(json.dumps(about | {"rows": rows}, indent=1) + "\n", encoding="utf-8")


def _imported(folder: Path, length: int) -> str:
    """The id of a new run of so many tokens, taken in as `python -m app RUN.zarr` does."""
    trace = make(folder / f"{length}.zarr", length)
    run = imports.add(trace)
    shutil.rmtree(trace)
    return run


def _text(run: str) -> str:
    return str(tc.open_trace(store.root() / run / "trace.zarr").attrs["text"])


def _print(tokens: int, found: list[Found]) -> None:
    click.echo(f"\n{tokens:,} tokens, median of {len(found)} (lowest to highest), load {os.getloadavg()[0]:.1f}")
    click.echo(f"{'':<36}{'goal':>10}{'median':>10}")
    for bar in BARS:
        values = [bar.value(one, tokens) for one in found]
        middle, goal = median(values), bar.goal(tokens)
        if isnan(middle):
            continue
        verdict = "" if goal is None else "pass" if middle <= goal else "MISS"
        told = "" if goal is None else f"{goal:g} {bar.unit}"
        click.echo(
            f"{bar.name:<36}{told:>10}{middle:>7.3g} {bar.unit:<2} {verdict:<5}({min(values):.3g} to {max(values):.3g})"
        )


if __name__ == "__main__":
    main()
