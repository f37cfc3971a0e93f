"""The chunks of a deep memory where no gradient is wanted: few and large products in buffers that stay in the cache.

What has to wait for the chunk before are the products that the next chunk's weights need; reads and signals follow for
a whole group of chunks at once. A layer's [W_0; S_0] of a chunk stand below each other in one buffer, so that

    x_t W_t = [beta_t x_t, c_t x_t] [W_0; S_0] - sum_i (x_t . a_i) A[t, i] theta_i g_i

is two products, and the chunk's end is written where the next one begins. Results of products are contiguous: torch
computes others row by row.
Shapes: R = B*H rows, G chunks of a group, N chunks, C tokens per chunk, D_l width of the memory's layer l.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import silu

from titans_core.memory.decay import FADED, Decays, without_traces
from titans_core.memory.differentiable import largest_step
from titans_core.memory.signals import Chunks, closed_form
from titans_core.memory.types import Watch, Weights

GRAIN = 32_768  # elements that torch leaves to one thread; one more, and two share them
GROUP_BYTES = 4 << 20  # of states in a group: more leave the cache, fewer make products small
_silu_backward = torch.ops.aten.silu_backward.grad_input


class _Layer:
    """Buffers of one layer: of G chunks, and of what follows them."""

    def __init__(self, weights: Tensor, momentum: Tensor, count: int, size: int) -> None:
        rows, width, out = weights.shape
        new = weights.new_empty
        stacked = new(count + 1, rows, 2 * width, out)
        self.width = width
        self.stacked = stacked[:count].flatten(0, 1)
        # where a chunk's elements are just too few for two threads, an element-wise operation takes some of the next
        # chunk's along, which are written later
        extra = 64 if rows * size * out == GRAIN else 0
        flat = [new(count * rows * size * out + extra) for _ in range(3)]
        self.before, self.after, self.error = (x[: len(x) - extra].view(count, rows, size, out) for x in flat)
        self.wide = [x.unfold(0, rows * size * out + extra, rows * size * out).unbind(0) for x in flat]
        self.scaled = new(rows, size, 2, width)
        self.reading = new(count * rows, size, 2 * width)
        self.wide_slope = torch.zeros(rows * size * out + extra, dtype=weights.dtype, device=weights.device)
        self.slope = self.wide_slope[: rows * size * out].view(rows, size, out)
        # one view a chunk, made once: slicing would take as long as a small product
        self.weights, self.momentum, self.states = (
            x.unbind(0) for x in (stacked[:, :, :width], stacked[:, :, width:], stacked)
        )
        self.transposed = [w.mT for w in self.weights]
        self.pairs = [x.unflatten(1, (2, width)) for x in self.states]
        self.befores, self.afters, self.errors = (x.unbind(0) for x in (self.before, self.after, self.error))
        self.weights[0].copy_(weights)
        self.momentum[0].copy_(momentum)


class _Gates(NamedTuple):
    """Of some chunks: (G, R, ...)."""

    theta: Tensor  # (C)
    eta: Tensor
    alpha: Tensor
    decays: Decays
    last: Tensor  # -A[C, i] and -E[C, i], how much of token i's slope is in the last W and S, (C, 2, 1)
    kept: Tensor  # beta_C and H_C, how much of W_0 is in the last W and of S_0 in the last S, (2, 1, 1)
    carried: Tensor  # c_C, how much of S_0 is in the last W, (1, 1)

    @classmethod
    def of(cls, theta: Tensor, eta: Tensor, alpha: Tensor) -> _Gates:
        d = Decays.of(eta, alpha)
        last = -torch.stack((d.A[..., -1, :], d.E[..., -1, :]), -1).unsqueeze(-1)
        kept = torch.stack((d.keep[..., -1], d.carry[..., -1]), -1)[..., None, None]
        return cls(theta, eta, alpha, d, last, kept, d.carried[..., -1, None, None])

    def of_chunks(self, here: slice, signals: bool) -> _Gates:
        """Signals alone need E of all tokens."""
        some = self.decays._asdict().items()
        near = Decays(*(x[here].contiguous() if signals or name != "E" else x[here] for name, x in some))
        return _Gates(*(x[here] for x in self[:3]), near, *(x[here] for x in self[4:]))  # type: ignore[call-arg, arg-type]


@torch.no_grad()
def scan_chunks(
    parts: list[Tensor],
    weights: Weights,
    momentum: Weights,
    signals: bool,
    share: float | None,
    watch: Watch | None,
) -> tuple[list[Tensor], tuple[Weights, Weights], dict[str, Tensor] | None]:
    """`scan._scan_chunks` without gradients."""
    lead, (count, size) = parts[0].shape[:2], parts[0].shape[2:4]
    q, k, v, *given = (x.flatten(0, 1).transpose(0, 1) for x in parts)
    gates = _Gates.of(*(x.contiguous() for x in given))
    group = _group(weights, size, count)
    layers = [_Layer(w.flatten(0, 1), s.flatten(0, 1), group, size) for w, s in zip(weights, momentum, strict=True)]
    reads = v.new_empty(*parts[2].shape)
    read = reads.flatten(0, 1).transpose(0, 1)
    found = []
    for start in range(0, count, group):
        here = slice(start, min(start + group, count))
        some, k_here, q_here = gates.of_chunks(here, signals), k[here].contiguous(), q[here].contiguous()
        told = None if watch is None else _told(watch, start, size)
        steps = _write(layers, k_here, v[here], some, share, told, lead)
        some = some._replace(theta=steps)
        _read(layers, q_here, k_here, some, read[here])
        if signals:
            found.append(_signals(layers, k_here, v[here], some))
        for layer in layers:
            layer.states[0].copy_(layer.states[here.stop - start])
            without_traces(layer.momentum[0], FADED)
    end = [tuple(x[0].clone().unflatten(0, lead) for x in (y.weights, y.momentum)) for y in layers]
    named = {x: _ordered(torch.cat([f[x] for f in found]), lead) for x in found[0]} if signals else None
    return [reads.flatten(2, 3)], (tuple(w for w, _ in end), tuple(s for _, s in end)), named


def _told(watch: Watch, first: int, size: int) -> Watch:
    return lambda n, weights: watch((first + n) * size, weights)


def _group(weights: Weights, size: int, count: int) -> int:
    one = sum(w.shape[0] * w.shape[1] * (2 * w.shape[-2]) * w.shape[-1] * w.element_size() for w in weights)
    return max(1, min(count, GROUP_BYTES // one))


def _ordered(x: Tensor, lead: torch.Size) -> Tensor:
    """(N, R, C, ...) -> (B, H, N*C, ...)."""
    return x.transpose(0, 1).flatten(1, 2).unflatten(0, lead)


def _write(
    layers: list[_Layer],
    k: Tensor,
    v: Tensor,
    gates: _Gates,
    share: float | None,
    told: Watch | None,
    lead: torch.Size,
) -> Tensor:
    """Chunk after chunk; leaves states, inputs and slopes in the layers' buffers. Returns theta as applied."""
    steps = gates.theta if share is None else torch.empty_like(gates.theta)
    last = gates.last * gates.theta[..., None, None] if share is None else gates.last
    keys = [] if share is not None else (k.unsqueeze(-2) * last).flatten(-2).mT.unbind(0)  # as they are written
    columns = (x.unbind(0) for x in (k, v, gates.theta, gates.eta, last, gates.kept, gates.carried))
    for n, (kn, vn, theta, eta, ends, kept, carried) in enumerate(zip(*columns, strict=True)):
        if told is not None:
            told(n, tuple(y.weights[n].clone().unflatten(0, lead) for y in layers))
        inputs = [kn, *(y.afters[n] for y in layers[:-1])]
        for y, x in zip(layers[:-1], inputs, strict=False):
            torch.bmm(x, y.weights[n], out=y.befores[n])
            torch.ops.aten.silu.out(y.wide[0][n], out=y.wide[1][n])
        top = layers[-1]
        torch.baddbmm(vn, inputs[-1], top.weights[n], beta=-2, alpha=2, out=top.errors[n])
        for above, y in zip(layers[:0:-1], layers[-2::-1], strict=True):
            torch.bmm(above.errors[n], above.transposed[n], out=y.slope)
            _silu_backward(y.wide_slope, y.wide[0][n], grad_input=y.wide[2][n])
        if share is not None:
            befores = [y.befores[n] for y in layers]
            step = largest_step(tuple(y.weights[n] for y in layers), inputs, befores, eta, share)
            torch.minimum(theta, step, out=steps[n])
            ends = ends * steps[n, ..., None, None]
        for y, x in zip(layers, inputs, strict=True):
            scaled = keys[n] if keys and x is kn else torch.mul(x.unsqueeze(-2), ends, out=y.scaled).flatten(2).mT
            torch.mul(y.pairs[n], kept, out=y.pairs[n + 1])
            y.weights[n + 1].addcmul_(y.momentum[n], carried)
            y.states[n + 1].baddbmm_(scaled, y.errors[n])
    return steps


def _read(layers: list[_Layer], q: Tensor, k: Tensor, gates: _Gates, out: Tensor) -> None:
    """Reads of a group's chunks, into `out` (G, R, C, D)."""
    pushes = (gates.decays.A * -gates.theta.unsqueeze(-2)).flatten(0, 1)
    keep, carried = (x.flatten(0, 1).unsqueeze(-1) for x in (gates.decays.keep, gates.decays.carried))
    x, inputs = q.flatten(0, 1), k.flatten(0, 1)
    count = len(x)
    for y in layers:
        left = y.reading[:count]
        torch.mul(x, keep, out=left[..., : y.width])
        torch.mul(x, carried, out=left[..., y.width :])
        attend = torch.bmm(x, inputs.mT).mul_(pushes)
        x = torch.bmm(left, y.stacked[:count]).baddbmm_(attend, y.error.flatten(0, 1)[:count])
        if y is not layers[-1]:
            x = silu(x, inplace=True)
            inputs = y.after.flatten(0, 1)[:count]
    out.copy_(x.unflatten(0, out.shape[:2]))


def _signals(layers: list[_Layer], k: Tensor, v: Tensor, gates: _Gates) -> dict[str, Tensor]:
    count, rows = k.shape[:2]
    states = [y.stacked[: count * rows].unflatten(0, (count, rows)) for y in layers]
    inputs = (k, *(y.after[:count] for y in layers[:-1]))
    return closed_form(
        Chunks(
            tuple(x[:, :, : y.width] for x, y in zip(states, layers, strict=True)),
            tuple(x[:, :, y.width :] for x, y in zip(states, layers, strict=True)),
            inputs,
            tuple(y.error[:count] for y in layers),
            gates.theta,
            gates.eta,
            gates.alpha,
            (*(y.before[:count] for y in layers[:-1]), torch.add(v, layers[-1].error[:count], alpha=0.5)),
            tuple(a @ x[:, :, y.width :] for a, x, y in zip(inputs, states, layers, strict=True)),
            tuple(a @ a.mT for a in inputs),
            tuple(x.unflatten(2, (2, y.width)).flatten(-2) for x, y in zip(states, layers, strict=True)),
        ),
        gates.decays,
    )
