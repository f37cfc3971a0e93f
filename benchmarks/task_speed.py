"""Task tokens a second of one process, per task and length, and milliseconds per test of long haystacks.

python benchmarks/task_speed.py --data CORPUS [--babi FOLDER] [--lengths 128,1024,4096] [--haystacks 16384,1000000]
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np

from titans_core.corpus import token_stream
from titans_core.tasks import TASKS, Episode, Prose, TaskSource
from titans_core.tokenizer import Tokenizer

SECONDS = 0.4


@click.command()
@click.option("--data", required=True, type=click.Path(exists=True, path_type=Path), help="a corpus file or folder")
@click.option("--babi", type=click.Path(exists=True, path_type=Path), help="the folder en of bAbI")
@click.option("--lengths", default="128,1024,4096", show_default=True)
@click.option("--haystacks", default="16384,1000000", show_default=True)
def main(data: Path, babi: Path | None, lengths: str, haystacks: str) -> None:
    """Print one line per task: milliseconds a training text and thousand tokens a second, then milliseconds a test."""
    tokenizer = Tokenizer.load()
    files = sorted(data.glob("validation*")) if data.is_dir() else [data]
    prose = Prose(token_stream(files, tokenizer, 1), tokenizer)
    train = TaskSource(tokenizer, "train", prose, babi)
    test = TaskSource(tokenizer, "test", prose, babi)
    for task in TASKS:
        if task.startswith("babi") and babi is None:
            continue
        cells = [f"{task:<11}"]
        for length in map(int, lengths.split(",")):
            try:
                each = seconds(lambda rng, n=length, t=task: train.train(t, rng, n))
            except ValueError as error:
                cells.append(f"train {length}: {error}")
                continue
            cells.append(f"train {length}: {each * 1e3:.3f} ms {length / each / 1e3:,.0f}k/s")
        for length in map(int, haystacks.split(",")):
            each = seconds(lambda rng, n=length, t=task: test.test(t, rng, n))
            cells.append(f"test {length}: {each * 1e3:.1f} ms")
        click.echo("  ".join(cells))


def seconds(make: Callable[[np.random.Generator], Episode]) -> float:
    """Of one episode, on average over SECONDS, after three that fill the caches."""
    rng = np.random.default_rng(1)
    for _ in range(3):
        make(rng)
    start, count = time.perf_counter(), 0
    while (passed := time.perf_counter() - start) < SECONDS or not count:
        make(rng)
        count += 1
    return passed / count


if __name__ == "__main__":
    main()
