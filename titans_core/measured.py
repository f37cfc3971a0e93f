"""What is recorded of a slab of tokens, computed where the model runs and taken to the host in one piece."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from titans_core.signals import BY_HEAD, SIGNALS, Arrays

Shapes = dict[str, tuple[int, ...]]
TOKENS = 64  # whose predictions a CPU looks at together: they fit in its caches, and in memory that is used again


def completed(signals: dict[str, Tensor]) -> dict[str, Tensor]:
    """A model's signals (layers, 1, H, t) as (layers, H, t), with what each token pushes."""
    if signals:
        signals["momentary"] = signals["theta"] * signals["surprise"]
    return {name: value[:, 0] for name, value in signals.items()}


def measured(
    signals: dict[str, Tensor], logits: Tensor, before: Tensor | None, ids: Tensor, heads: bool
) -> dict[str, Tensor]:
    """The variables of a trace, name -> (layers, t), (layers, H, t) or (t,), as float32 tensors.

    signals: name -> (layers, H, t), put together over heads unless `heads`. logits: (t, V) for the token after each;
    before: (V,) for the first token, None where the text begins; ids: (t,).
    """
    named = {name: signals[name].float() for name in SIGNALS if name in signals}
    if named:
        named = (named if heads else _over_heads(named)) | {n: named[n.removeprefix("head_")] for n in BY_HEAD}
    return {**named, **_predictions(logits, before, ids)}


def packed(named: dict[str, Tensor], *more: Tensor) -> Tensor:
    """All values one after the other, float32 (n,), `more` at the end."""
    return torch.cat([value.float().flatten() for value in (*named.values(), *more)])


def unpacked(values: Tensor, shapes: Shapes) -> Arrays:
    """The arrays of a tensor of `packed` on the host, in a copy of their own."""
    parts = values.split([math.prod(shape) for shape in shapes.values()])
    return {name: part.numpy().reshape(shape).copy() for part, (name, shape) in zip(parts, shapes.items(), strict=True)}


def shapes_of(named: dict[str, Tensor]) -> Shapes:
    return {name: tuple(value.shape) for name, value in named.items()}


def _predictions(logits: Tensor, before: Tensor | None, ids: Tensor) -> dict[str, Tensor]:
    """nll[t] = -log2 p(token t given those before it) and the entropy of that distribution, in bits."""
    first = torch.full_like(logits[:1], math.nan) if before is None else before[None]
    size = TOKENS if logits.device.type == "cpu" else len(ids)
    chances, means = [], []
    for rows, chosen in zip((first, *logits[:-1].split(size)), (ids[:1], *ids[1:].split(size)), strict=True):
        log_p = rows.float().log_softmax(-1)
        chances.append(log_p.gather(1, chosen[:, None])[:, 0])
        means.append((log_p.exp() * log_p).sum(-1))
    return {name: -torch.cat(parts) / math.log(2) for name, parts in (("nll", chances), ("entropy", means))}


def _over_heads(named: dict[str, Tensor]) -> dict[str, Tensor]:
    """`signals.sum_heads` of tensors: (layers, H, t) to (layers, t), added up in float64."""
    return {name: _one_over_heads(name, value.double(), named).float() for name, value in named.items()}


def _one_over_heads(name: str, values: Tensor, named: dict[str, Tensor]) -> Tensor:
    how = SIGNALS[name].over_heads
    if how == "square":
        return values.square().sum(1).sqrt()
    if how == "cosine":
        past, push = named["past_surprise"].double(), named["momentary"].double()
        sizes = (past.square().sum(1) * push.square().sum(1)).sqrt()
        inner = (values * past * push).nansum(1)  # a head that carries nothing adds nothing
        return torch.where(sizes > 0, inner / sizes, math.nan)
    return values.sum(1) if how == "sum" else values.mean(1)
