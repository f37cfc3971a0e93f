"""The memory as a layer: projections, convolution and gates around `memory_scan`.

Shapes: B batch, T tokens, H heads, D head width. The memory of each sequence starts from the same learned
weights, whose last layer is zero: everything that is read was written at test time.
"""

from __future__ import annotations

from itertools import pairwise
from threading import get_ident
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from titans_core.config import ModelConfig
from titans_core.layers.intervene import changed, emptied, scan_wiped
from titans_core.layers.listen import Listener
from titans_core.layers.step import Step
from titans_core.memory.scan import memory_scan
from titans_core.memory.types import Weights, zeros_like


class MemoryState(NamedTuple):
    """Everything a memory layer carries from token to token."""

    weights: Weights  # per memory layer (B, H, D_in, D_out)
    momentum: Weights
    tail: Tensor  # last inputs of the convolution, (B, taps-1, 3*H*D)
    query_tail: Tensor  # the same for queries made before the write (mac), (B, taps-1, H*D)


class Gates(NamedTuple):
    """theta (step), eta (carry), alpha (forget): (B, H, T), functions of the token (section 3.1)."""

    theta: Tensor
    eta: Tensor
    alpha: Tensor


class MemoryLayer(nn.Module):
    """Keys, values, queries and gates of a token, and the memory they act on."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.heads, self.dim, self.taps, self.chunk = config.heads, config.dim, config.conv, config.chunk
        self.qkv = nn.Linear(config.dim, 3 * config.dim, bias=False)
        self.conv = nn.Parameter(torch.empty(config.conv, 3 * config.dim))
        self.gates = nn.Linear(config.dim, 3 * config.heads)
        self.writes_from, self.forgets_from = config.writes_from, config.forgets_from
        self.momentum, self.forgetting, self.half_life = config.momentum, config.forgetting, config.half_life
        self.eta_max = config.eta_max if config.momentum else 0.0
        widths = [config.head_dim, *[config.memory_hidden] * (config.memory_depth - 1), config.head_dim]
        self.widths = list(pairwise(widths))
        self.initial = nn.ParameterList(torch.empty(config.heads, a, b) for a, b in self.widths[:-1])
        # SiLU of unit-variance inputs has a mean square of 0.356: the curvature the step has to live with
        self.curvature = 1.0 if config.memory_depth == 1 else 0.356 * config.memory_hidden
        self.step_cap = None if config.memory_depth == 1 else 1.0
        self.listeners: dict[int, Listener] = {}  # by thread, so that a run hears no other's; filled while one listens

    def start(self, batch: int) -> MemoryState:
        """The state before the first token."""
        like = self.conv
        rows, columns = self.widths[-1]
        weights = (
            *(w.expand(batch, -1, -1, -1) for w in self.initial),
            like.new_zeros(batch, self.heads, rows, columns),
        )
        tail = like.new_zeros(batch, self.taps - 1, 3 * self.dim)
        return MemoryState(weights, zeros_like(weights), tail, tail[..., : self.dim])

    def queries(self, x: Tensor, query_tail: Tensor) -> tuple[Tensor, Tensor]:
        """The questions q of tokens x (B, T, H*D) to a memory that is only read, (B, H, T, D), and the new tail."""
        projected = F.linear(x, self.qkv.weight[: self.dim]).to(self.conv.dtype)
        with torch.autocast(x.device.type, enabled=False):
            mixed, tail = self._convolve(projected, query_tail, self.conv[:, : self.dim])
            return _unit(self._split(mixed)), tail

    def recall(self, q: Tensor, state: MemoryState, step: Step) -> Tensor:
        """Read the memory as it is, without writing: M_{t-1}(q) (eq. 21). q: (B, H, T, D); result: (B, T, H*D)."""
        with torch.autocast(q.device.type, enabled=False):
            reads = read_all(state.weights, q)
            wiped = step.wiped(q.shape[2])
            if wiped is not None:
                reads = torch.cat((reads[:, :, :wiped], torch.zeros_like(reads[:, :, wiped:])), 2)  # an empty memory's
            return self._join(reads, step)

    def forward(self, x: Tensor, state: MemoryState, step: Step) -> tuple[Tensor, MemoryState, dict[str, Tensor]]:
        """Write the tokens, reading after each: M_t(q_t) (eq. 13-15). x, result: (B, T, H*D)."""
        projected = self.qkv(x).to(self.conv.dtype)
        with torch.autocast(x.device.type, enabled=False):  # the recurrence needs all its digits
            mixed, tail = self._convolve(projected, state.tail, self.conv)
            q, k, v = (self._split(part) for part in mixed.chunk(3, -1))
            gates, momentum = self.gate(x.to(self.conv.dtype)), state.momentum
            gates = Gates(*changed(gates, step))
            if step.settings.freeze_writes:
                gates = gates._replace(theta=torch.zeros_like(gates.theta), alpha=torch.zeros_like(gates.alpha))
                momentum = zeros_like(momentum)
            inputs, wiped = (_unit(q), _unit(k), v, *gates), step.wiped(x.shape[1])
            listener = self.listeners.get(get_ident()) if self.listeners else None
            if listener is not None:
                listener.takes(*inputs[1:])
            how: dict[str, Any] = {
                "chunk": step.settings.chunk or self.chunk,
                "signals": step.signals is True,
                "step_cap": self.step_cap,
                "watch": listener,
            }
            if wiped is None:
                scan = memory_scan(*inputs, state.weights, momentum, **how)
            else:
                scan = scan_wiped(wiped, self.start(x.shape[0]).weights, inputs, (state.weights, momentum), **how)
                gates = Gates(*emptied(gates, wiped))
            if listener is not None:
                listener.reads(inputs[0], scan.reads)
            after = state if step.settings.freeze_writes and wiped is None else scan
        named: dict[str, Tensor] = gates._asdict() if step.signals else {}
        if scan.signals is not None:
            named |= {**scan.signals, "read": scan.reads.norm(dim=-1)}
        reads = self._join(scan.reads, step)
        return reads, MemoryState(after.weights, after.momentum, tail, state.query_tail), named

    def gate(self, x: Tensor) -> Gates:
        """The gates of tokens x (B, T, H*D). Whatever they are, a memory of one layer at chunk 1 cannot grow by itself.

        With m = eta_max and r = 1 - alpha/2: eta = m r h, theta <= (1 - m) (1 - h) r / (chunk * curvature), 0 < h < 1.
        Then neither an error e nor what it becomes if later tokens carry its momentum on as far as they may,
        e + s m / (1 - m), can become larger than the larger of the two was (docs/math.md). At m = 1 theta is bounded by
        its own token's 1 - eta alone: later tokens can carry a write too far.

        theta and alpha are 0 where their sigmoids are small: what is not worth writing leaves no trace at any length,
        and a memory can hold for ever.
        """
        theta, carry, alpha = self.gates(x).sigmoid().mT.chunk(3, 1)
        theta = _above(theta, self.writes_from).clamp_min(0)
        if theta.requires_grad:
            theta = theta + self._unwritten(x)
        alpha = _above(alpha, self.forgets_from).clamp_min(0)  # a head that never forgets has nothing to learn from
        if not self.momentum:
            carry = torch.zeros_like(carry)
        if not self.forgetting:
            alpha = torch.zeros_like(alpha)
        theta = theta * (1 - carry) / (self.chunk * self.curvature)
        if self.eta_max == 1:
            return Gates(theta, carry, alpha)
        room = 1 - alpha / 2
        return Gates(theta * room * (1 - self.eta_max), carry * room * self.eta_max, alpha)

    def _unwritten(self, x: Tensor) -> Tensor:
        """0 everywhere, with theta's gradient where theta is cut to 0: what is not written yet can still learn to be.

        It ends at the gates' own parameters. Through x it would go round mac's segments, growing each time.
        """
        logits = F.linear(x.detach(), self.gates.weight[: self.heads], self.gates.bias[: self.heads])
        below = _above(logits.sigmoid().mT, self.writes_from).clamp_max(0)
        return below - below.detach()

    def _convolve(self, x: Tensor, tail: Tensor, taps: Tensor) -> tuple[Tensor, Tensor]:
        """Causal depthwise convolution and SiLU; the newest token has the last tap."""
        length = x.shape[1]
        padded = torch.cat((tail, x), 1)
        mixed = taps[0] * padded[:, :length]
        for tap in range(1, self.taps):
            mixed = torch.addcmul(mixed, taps[tap], padded[:, tap : tap + length])
        return F.silu(mixed), padded[:, length:].contiguous()  # alone, not with all it is cut from

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def _join(self, reads: Tensor, step: Step) -> Tensor:
        joined = reads.transpose(1, 2).flatten(2)
        return torch.zeros_like(joined) if step.settings.zero_reads else joined


def _above(gate: Tensor, floor: float) -> Tensor:
    """A gate in (0, 1) with [floor, 1] stretched to [0, 1]; below 0 under the floor."""
    return (gate - floor) / (1 - floor)


def _unit(x: Tensor) -> Tensor:
    """Length 1, but for vectors too short to have a direction: their gradient stays bounded."""
    return F.normalize(x, dim=-1, eps=1e-6)


def read_all(weights: Weights, x: Tensor) -> Tensor:
    """M(x) with the same weights for all tokens: x (B, H, T, D)."""
    for w in weights[:-1]:
        x = F.silu(x @ w)
    return x @ weights[-1]
