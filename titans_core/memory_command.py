"""`titans memory`: what a kept memory holds, and how far another is from it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from titans_core import snapshot

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("memory")
@click.argument("file", type=_FILE)
@click.argument("other", type=_FILE, required=False)
def memory_command(file: Path, other: Path | None) -> None:
    """Show what the memory in FILE (of `titans trace --save-memory`) holds, head by head; or how OTHER differs.

    Layers and heads count from 1, as on the page.
    """
    one = snapshot.load(file)
    facts = one.facts
    click.echo(f"{file.name}: {facts['checkpoint']} after {facts['tokens']:,} tokens")
    for line in _held(one) if other is None else _apart(one, snapshot.load(other), other.name):
        click.echo(line)


def _held(one: snapshot.Snapshot) -> Iterator[str]:
    found = snapshot.measures(one)
    yield "layer head   size |M|  momentum |S|  effective rank"
    for layer, sizes in enumerate(found.size):
        for head, size in enumerate(sizes):
            momentum, rank = found.momentum[layer, head], found.rank[layer, head]
            yield f"{layer + 1:>5} {head + 1:>4} {size:>10.4g} {momentum:>13.4g} {rank:>15.1f}"


def _apart(one: snapshot.Snapshot, other: snapshot.Snapshot, name: str) -> Iterator[str]:
    found, sizes = snapshot.distance(one, other), (snapshot.measures(one).size, snapshot.measures(other).size)
    yield f"{name}: {other.facts['checkpoint']} after {other.facts['tokens']:,} tokens"
    yield "layer head  first |A|  second |B|    |A - B|  cosine"
    for layer, apart in enumerate(found.distance):
        for head, far in enumerate(apart):
            a, b = (size[layer, head] for size in sizes)
            yield f"{layer + 1:>5} {head + 1:>4} {a:>10.4g} {b:>11.4g} {far:>10.4g} {found.cosine[layer, head]:>7.3f}"
