"""Part "memory": one layer's reading of a sequence, forward and with gradients, against others at equal settings."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import torch

from titans_core.bench import readers, theirs
from titans_core.bench.clock import Contestant, Row, products_in, race
from titans_core.bench.readers import Reader
from titans_core.bench.setup import Setup

MODES = ("forward", "forward and backward")


def measure(setup: Setup) -> list[Row]:
    """Rows of every mode and precision; the first of each is what the others are compared with."""
    deep = setup.shape
    shipped = dataclasses.replace(deep, depth=1, chunk=1)
    exact = dataclasses.replace(deep, batch=1, tokens=setup.exact_tokens, chunk=1)
    entrants = [
        readers.memory(deep, setup.device),
        readers.memory(shipped, setup.device),
        readers.layer(deep, setup.device),
        *readers.attention(deep, setup.device),
    ]
    missing: list[Row] = []
    if theirs.there():
        entrants.insert(3, theirs.neural_memory(deep, setup.device))
        entrants.insert(4, theirs.neural_memory(exact, setup.device))
    else:
        missing = [{"name": theirs.name(shape.chunk), "missing": theirs.HOW} for shape in (deep, exact)]
    rows: list[Row] = []
    for precision in setup.precisions:
        for mode in MODES:
            about = {"mode": mode, "precision": precision}
            run = forward if mode == MODES[0] else backward
            chosen = [one for one in entrants if precision == "highest" or one.name != theirs.name(1)]
            made = [Contestant(one.name, run(one), one.tokens, one.includes, about) for one in chosen]
            with products_in(precision):
                rows += race(made, setup)
            rows += [row | about for row in missing if precision == "highest"]
    return rows


def forward(reader: Reader) -> Callable[[], object]:
    def run() -> object:
        with torch.no_grad():
            return reader.call()

    return run


def backward(reader: Reader) -> Callable[[], object]:
    """Forward, and gradients to all that went in."""
    with torch.no_grad():
        towards = torch.randn_like(reader.call())

    def run() -> object:
        return torch.autograd.grad(reader.call(), reader.leaves, towards, allow_unused=True)

    return run
