"""Every norm of the trace in closed form, without building a weight matrix per token.

With u_i = -theta_i a_i^T g_i (summed over memory layers), all inner products between pushes are one Gram matrix a
chunk, G[i, j] = sum_l (a_i . a_j)(g_i . g_j); every norm follows from G, the gates and what the chunk starts with.
Products of float32 runs are float32, sums over tokens float64. Where what is left of a sum is small beside its terms,
as after pushes that cancel, the chunk's products are made again in float64 (decisions/0041).
"""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import NamedTuple

import torch
from torch import Tensor

from titans_core.memory.decay import Decays

LEFT = 1e-3  # of the square of its terms' sizes together: a smaller square of a norm is made again in float64
LEFT_WEIGHTS = 1e-4  # of M, whose terms are the many writes that it was built from
FADED = 1e-30  # a sum of squares below this may have lost some that float32 cannot hold, and is made in float64


class Chunks(NamedTuple):
    """Any number of chunks and what they start with; per memory layer a tensor. Leading dimensions are equal."""

    weights: tuple[Tensor, ...]  # W_0, (..., D_in, D_out)
    momentum: tuple[Tensor, ...]  # S_0
    inputs: tuple[Tensor, ...]  # a, (..., C, D_in)
    errors: tuple[Tensor, ...]  # g, the loss's slope in the layer's output, (..., C, D_out)
    theta: Tensor  # (..., C)
    eta: Tensor
    alpha: Tensor
    by_weights: tuple[Tensor, ...] = ()  # a W_0, where they are known
    by_momentum: tuple[Tensor, ...] = ()  # a S_0, written over
    alike: tuple[Tensor, ...] = ()  # a a^T, (..., C, C)
    pairs: tuple[Tensor, ...] = ()  # W_0 and S_0, (..., 2, D_in * D_out), where they lie together

    @classmethod
    def stack(cls, chunks: list[Chunks]) -> Chunks:
        """N chunks (B, H, ...), one after the other, with N at dimension 2."""
        w, s, a, g, theta, eta, alpha, *_ = zip(*chunks, strict=True)
        layers = (tuple(torch.stack(x, 2) for x in zip(*layer, strict=True)) for layer in (w, s, a, g))
        return cls(*layers, *(torch.stack(x, 2) for x in (theta, eta, alpha)))  # type: ignore[arg-type]

    def picked(self, mask: Tensor) -> Chunks:
        """Those of a mask over the leading dimensions, in float64."""
        layers = (tuple(x[mask].double() for x in layer) for layer in self[:4])
        return Chunks(*layers, *(x[mask].double() for x in self[4:7]))  # type: ignore[arg-type]


class _Sums(NamedTuple):
    """What the recurrences start from, in float64: (..., C), the last (..., 1)."""

    square: Tensor  # |a_t^T g_t|^2
    past: Tensor  # p_t = <eta_t S_{t-1}, u_t>
    before: Tensor  # m_t = <M_{t-1}, u_t>
    sizes: Tensor  # |W_0|, |S_0|
    ws: Tensor  # <W_0, S_0>


@torch.no_grad()
def closed_form(chunks: Chunks, decays: Decays | None = None) -> dict[str, Tensor]:
    """The signals of chunks, name -> (..., C) in the gates' dtype, theta among them.

    decays: of eta and alpha, if they are known.
    """
    found, doubtful = _norms(chunks, _sums(chunks, decays or Decays.of(chunks.eta, chunks.alpha)))
    if chunks.theta.dtype != torch.float64 and doubtful.any():
        again = chunks.picked(doubtful)
        for name, values in _norms(again, _sums(again, Decays.of(again.eta, again.alpha)))[0].items():
            found[name][doubtful] = values.to(chunks.theta.dtype)
    loss = torch.linalg.vector_norm(chunks.errors[-1], dim=-1).square() / 4  # the last slope is twice the error
    return {"loss": loss, **found, "theta": chunks.theta}


def _sums(c: Chunks, d: Decays) -> _Sums:
    grams, by_weights, by_momentum = [], [], []
    for w, s, a, g, *known in zip(*c[:4], *(x for x in c[7:10] if x), strict=True):
        of_weights, of_momentum, alike = known or (a @ w, a @ s, a @ a.mT)
        grams.append((g @ g.mT).mul_(alike))
        by_momentum.append(of_momentum.mul_(g).sum(-1))
        by_weights.append(torch.mul(of_weights, g, out=of_momentum).sum(-1))
    of_weights, of_momentum = (reduce(add, x) for x in (by_weights, by_momentum))
    pushed = reduce(Tensor.add_, grams)
    square = pushed.diagonal(dim1=-2, dim2=-1).clamp_min(0)
    pushed.mul_(c.theta.unsqueeze(-2)).diagonal(dim1=-2, dim2=-1).zero_()  # the token's own, not of the past
    past = (d.E * pushed).sum(-1) - d.carry * of_momentum
    before = -of_weights
    before[..., 1:] *= d.keep[..., :-1]
    before[..., 1:] += pushed[..., 1:, :].mul_(d.A[..., :-1, :]).sum(-1) - d.carried[..., :-1] * of_momentum[..., 1:]
    square, past, before, theta = torch.stack((square, past, before, c.theta)).double()
    sizes = _sizes(c.pairs or tuple(map(_pair, c.weights, c.momentum)))
    return _Sums(square, theta * past, theta * before, *sizes)


def _pair(w: Tensor, s: Tensor) -> Tensor:
    return torch.stack((w.flatten(-2), s.flatten(-2)), -2)


def _sizes(pairs: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
    """|W_0| and |S_0|, (2, ..., 1), and <W_0, S_0>, (..., 1), in float64. pairs: as in Chunks."""
    found = reduce(add, (x @ x.mT for x in pairs)).double()  # of all products of two at once: each number is read once
    faded = (found.diagonal(dim1=-2, dim2=-1) < FADED).any(-1)
    if pairs[0].dtype != torch.float64 and faded.any():
        found[faded] = reduce(add, (y @ y.mT for y in (x[faded].double() for x in pairs)))
    sizes = found.diagonal(dim1=-2, dim2=-1).sqrt().movedim(-1, 0)
    return sizes.unsqueeze(-1), found[..., 0, 1].unsqueeze(-1)


def _norms(c: Chunks, r: _Sums) -> tuple[dict[str, Tensor], Tensor]:
    """The norms, and which chunks' are small beside what they are sums of.

    x_t = <M_t, S_t>, y_t = <M_{t-1}, S_t>; the equations are those of docs/math.md, "Norms in closed form".
    S_size, M_size: what |S_t| and |M_t| would be, were all terms parallel.
    """
    theta, eta, alpha = torch.stack((c.theta, c.eta, c.alpha)).double()
    keep = 1 - alpha
    windows = _windows(torch.stack((eta.square(), eta, keep * eta, keep, keep.square())))
    u = theta * r.square.sqrt()
    w, s = r.sizes
    S2, S_size = _recurrence(
        [x[:2] for x in windows], torch.stack((2 * r.past + u.square(), u)), torch.stack((s.square(), s))
    )
    S2.clamp_min_(0)
    x, M_size = _recurrence(
        [x[2:4] for x in windows], torch.stack((keep * r.before + S2, S_size)), torch.stack((r.ws, w))
    )
    y = eta * _shift(x, r.ws) + r.before
    M2 = _recurrence([x[4] for x in windows], 2 * keep * y + S2, w.square()).clamp_min_(0)
    forgotten = alpha.square() * _shift(M2, w.square())
    change = (forgotten - 2 * alpha * y + S2).clamp_min(0)
    past2 = eta.square() * _shift(S2, s.square())

    sizes = torch.stack((S_size, M_size * (LEFT_WEIGHTS / LEFT) ** 0.5, alpha * _shift(M_size, w) + S_size))
    small = torch.stack((S2, M2, change)) < LEFT * sizes.square()
    names = ("surprise", "past_surprise", "momentum", "update", "forgotten", "memory")
    roots = torch.stack((r.square, past2, S2, change, forgotten, M2)).sqrt()
    alignment = (r.past / (roots[1] * u)).clamp(-1, 1)
    named = zip((*names, "alignment"), torch.cat((roots, alignment.unsqueeze(0))).to(c.theta.dtype), strict=True)
    return dict(named), small.any(0).any(-1)


def _windows(gates: Tensor) -> list[Tensor]:
    """Products of the last 1, 2, 4, ... gates up to t, each (..., C); 0 where there are not so many."""
    size, steps = gates.shape[-1], _steps(gates.shape[-1])
    padded = gates.new_empty(len(steps) + 1, *gates.shape[:-1], size + steps[-1])
    padded[..., : steps[-1]] = 0
    levels = padded[..., steps[-1] :].unbind(0)
    levels[0].copy_(gates)
    for level, step in enumerate(steps):
        torch.mul(levels[level], padded[level].narrow(-1, steps[-1] - step, size), out=levels[level + 1])
    return list(levels)


def _recurrence(windows: list[Tensor], x: Tensor, first: Tensor) -> Tensor:
    """s_t = gate_t s_{t-1} + x_t from s_{-1} = first, by doubling: (..., C). Exact at gates of 0."""
    size, steps = x.shape[-1], _steps(x.shape[-1])
    padded = x.new_empty(2, *x.shape[:-1], size + steps[-1])
    padded[..., : steps[-1]] = 0  # before the first token
    (now, after), (told, left) = padded.unbind(0), padded[..., steps[-1] :].unbind(0)
    told.copy_(x)[..., :1].addcmul_(windows[0][..., :1], first)
    for window, step in zip(windows, steps, strict=False):
        torch.addcmul(told, window, now.narrow(-1, steps[-1] - step, size), out=left)
        now, after, told, left = after, now, left, told
    return told


def _steps(size: int) -> list[int]:
    return [2**level for level in range(max(1, (size - 1).bit_length()))]


def _shift(x: Tensor, first: Tensor) -> Tensor:
    return torch.cat((first, x[..., :-1]), -1)
