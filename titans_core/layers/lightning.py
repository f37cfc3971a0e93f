"""Linear attention with a fixed decay per head, as in MiniMax-01: a state of constant size instead of a window.

Shapes: B batch, T tokens, H heads, D head width, N blocks of C tokens.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from titans_core.config import ModelConfig
from titans_core.layers.combine import HeadNorm

BLOCK = 64  # tokens that meet in one matrix of scores; changes the speed, not the result


class LightningAttention(nn.Module):
    """SiLU on q, k and v, the recurrence, a norm per head, a sigmoid gate, a projection: (B, T, dim) -> (B, T, dim).

    layer: which of the model's `layers` layers of linear attention this is, from 0; it sets the decay.
    """

    def __init__(self, config: ModelConfig, layer: int, layers: int) -> None:
        super().__init__()
        self.heads, self.head_dim, self.layer, self.layers = config.heads, config.head_dim, layer, layers
        self.qkv = nn.Linear(config.dim, 3 * config.dim, bias=False)
        self.norm = HeadNorm(config)
        self.gate = nn.Linear(config.dim, config.dim, bias=False)
        self.out = nn.Linear(config.dim, config.dim, bias=False)

    def start(self, batch: int) -> Tensor:
        """The state before the first token: (B, H, D, D) of zeros."""
        return self.qkv.weight.new_zeros(batch, self.heads, self.head_dim, self.head_dim)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        projected = self.qkv(x).to(self.qkv.weight.dtype)
        with torch.autocast(x.device.type, enabled=False):  # the recurrence needs all its digits
            q, k, v = F.silu(projected).unflatten(-1, (3 * self.heads, -1)).transpose(1, 2).chunk(3, 1)
            rates = decay_rates(self.heads, self.layer, self.layers, x.device)
            y, state = lightning_attention(q, k, v, rates, state)
            y = self.norm(y.transpose(1, 2).flatten(2))
        out: Tensor = self.out(y * self.gate(x).sigmoid())
        return out, state


def decay_rates(heads: int, layer: int, layers: int, device: torch.device | None = None) -> Tensor:
    """-log(lambda) of every head, (H,) in float64: 2^(-8 (h+1) / H), and less of it the deeper the layer.

    The slopes of ALiBi (arXiv 2108.12409), with the factor 1 - l / (L-1) of TransNormerLLM (arXiv 2307.14995) in the
    form that MiniMax-01 was released with; its epsilons keep the last layer from not forgetting at all.
    """
    heads_first = torch.arange(1, heads + 1, dtype=torch.float64, device=device)
    return torch.exp2(heads_first * (-8 / heads)) * (1 - layer / (layers - 1 + 1e-5) + 1e-5)


def lightning_attention(
    q: Tensor, k: Tensor, v: Tensor, rates: Tensor, state: Tensor, *, block: int = BLOCK
) -> tuple[Tensor, Tensor]:
    """S_t = exp(-rate) S_{t-1} + k_t^T v_t and y_t = q_t S_t, in blocks of tokens.

    q, k, v: (B, H, T, D), T at least 1; rates: (H,), not negative; state: (B, H, D, D), S before the first token.
    Returns y (B, H, T, D) and S after the last token.
    """
    length = q.shape[2]
    whole = length - length % block
    outs = []
    for start, stop, size in ((0, whole, block), (whole, length, length - whole)):
        if start < stop:
            queries, keys, values = (x[:, :, start:stop].unflatten(2, (-1, size)) for x in (q, k, v))
            y, state = _equal_blocks(queries, keys, values, rates, state)
            outs.append(y.flatten(2, 3))
    return torch.cat(outs, 2), state


def _equal_blocks(q: Tensor, k: Tensor, v: Tensor, rates: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """q, k, v: (B, H, N, C, D). Attention inside each block, and a read of the state from before it."""
    count, size = q.shape[2:4]
    steps = torch.arange(size, device=q.device)
    apart = (steps[:, None] - steps).clamp_min(0)  # whoever is ahead in time is cut off below
    inside = _powers(rates, apart, q).tril()
    since_start = _powers(rates, steps + 1, q)[..., None]
    until_end = _powers(rates, size - 1 - steps, q)[..., None]
    written = (k * until_end).mT @ v  # (B, H, N, D, D): what each block adds to the state
    kept = since_start[..., -1:, :].squeeze(1)  # (H, 1, 1): what a block leaves of the state
    before = []
    for n in range(count):
        before.append(state)
        state = torch.addcmul(written[:, :, n], state, kept)
    y = (q @ k.mT * inside) @ v + (q * since_start) @ torch.stack(before, 2)
    return y, state


def _powers(rates: Tensor, exponents: Tensor, like: Tensor) -> Tensor:
    """lambda ** exponents, (H, 1, *exponents): from exponents that are not negative, so nothing is divided."""
    return torch.exp(-rates.double().view(-1, *[1] * (exponents.dim() + 1)) * exponents).to(like.dtype)
