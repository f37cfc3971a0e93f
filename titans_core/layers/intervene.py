"""Interventions where they act: on the gates, and on the memory between two tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from titans_core.layers.step import Step
from titans_core.memory.scan import memory_scan
from titans_core.memory.types import MemoryScan, Watch, Weights, zeros_like
from titans_core.settings import GATES


def changed(gates: Sequence[Tensor], step: Step) -> list[Tensor]:
    """theta, eta and alpha (B, H, T) as the settings change them; untouched where they change nothing."""
    named = dict(zip(GATES, gates, strict=True))
    for change in step.settings.gates:
        if change.layer in (None, step.layer):
            named[change.gate] = change.applied(named[change.gate])
    frozen, length = step.settings.freeze_from, gates[0].shape[-1]
    if frozen is not None and frozen < step.position + length:
        open_ = int(max(0, frozen - step.position))
        for name, gate in named.items():
            named[name] = torch.cat((gate[..., :open_], torch.zeros_like(gate[..., open_:])), -1)
    return list(named.values())


def emptied(gates: Sequence[Tensor], at: int) -> list[Tensor]:
    """The gates that say the same as emptying the memory before token `at`: nothing is carried there, all forgotten."""
    theta, eta, alpha = gates
    before, after = (slice(0, at), slice(at + 1, None))
    zero, one = torch.zeros_like(eta[..., :1]), torch.ones_like(alpha[..., :1])
    return [theta, *(torch.cat((g[..., before], new, g[..., after]), -1) for g, new in ((eta, zero), (alpha, one)))]


def scan_wiped(
    at: int,
    empty: Weights,
    inputs: Sequence[Tensor],
    memory: tuple[Weights, Weights],
    *,
    chunk: int,
    watch: Watch | None,
    **how: Any,
) -> MemoryScan:
    """`memory_scan` of inputs (B, H, T, ...) with a memory (weights, momentum) that is emptied just before token `at`.

    Chunks stay where they are in the stream, but for one more beginning at `at`. What is forgotten there is the whole
    memory; the update of that token is counted from the empty one.
    """
    length, parts = inputs[0].shape[2], list[MemoryScan]()
    scan: Callable[..., MemoryScan] = partial(memory_scan, chunk=chunk, **how)
    if at:  # all tokens, not only those before: the very same sums as without the wipe
        whole = scan(*inputs, *memory, watch=_until(at, watch))
        parts.append(_cut(whole, at))
    state = empty, zeros_like(empty)
    edge = min(length, -(-at // chunk) * chunk)
    for start, stop in ((at, edge), (edge, length)):
        if start < stop:
            piece = [x[:, :, start:stop] for x in inputs]
            parts.append(scan(*piece, *state, watch=_from(start, watch)))
            state = parts[-1].weights, parts[-1].momentum
    named = [part.signals for part in parts if part.signals is not None]
    signals = {name: torch.cat([part[name] for part in named], 2) for name in named[0]} if named else None
    if signals is not None:
        gone = named[0]["memory"][:, :, -1] if at else _norm(memory[0])
        signals["forgotten"][:, :, at] = gone
    return MemoryScan(torch.cat([part.reads for part in parts], 2), *state, signals)


def _norm(weights: Weights) -> Tensor:
    """(B, H), over all layers of the memory."""
    return torch.cat([w.flatten(2) for w in weights], 2).norm(dim=2)


def _cut(scan: MemoryScan, stop: int) -> MemoryScan:
    signals = None if scan.signals is None else {name: x[:, :, :stop] for name, x in scan.signals.items()}
    return MemoryScan(scan.reads[:, :, :stop], scan.weights, scan.momentum, signals)


def _until(stop: int, watch: Watch | None) -> Watch | None:
    return watch and (lambda done, weights: watch(done, weights) if done < stop else None)


def _from(start: int, watch: Watch | None) -> Watch | None:
    return watch and (lambda done, weights: watch(start + done, weights))
