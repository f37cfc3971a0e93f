"""Embed, blocks, logits; streaming state in and out.

A stream may be split anywhere: the state is kept at the last whole unit (mac: a segment; others: a chunk), with the
token ids after it, which are computed again with the next call. So every split gives the same results; where the unit
is one token (chunk 1), up to rounding.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from titans_core.config import ModelConfig
from titans_core.errors import ConfigError
from titans_core.layers.memory import MemoryLayer
from titans_core.layers.step import Step
from titans_core.memory.types import Wanted
from titans_core.settings import Settings
from titans_core.tokenizer import Tokenizer
from titans_core.variants import build_block
from titans_core.variants.block import Signals


@dataclass(frozen=True)
class ModelState:
    """Everything a model carries from one call to the next; constant size at any length."""

    position: int  # tokens inside `layers`: a multiple of the config's unit
    layers: tuple[Any, ...]
    pending: Tensor  # (B, fewer than unit): ids of the tokens after `position`
    logits: Tensor | None  # (B, V) after the last token, None before the first
    model: str  # digest of the config it belongs to
    now: tuple[Any, ...]  # the layers after the last token, the pending ones too
    origin: str | None = None  # JSON: of which memory the stream began, where not of an empty one


class Output(NamedTuple):
    """logits (B, T, V) for the token after each; the state; signals name -> (layers, B, H, T) or None."""

    logits: Tensor
    state: ModelState
    signals: Signals | None


class Model(nn.Module):
    """A language model of one variant. `tokenizer` and `name` are set by `checkpoint.load`."""

    tokenizer: Tokenizer
    name: str = "untrained"
    weights_sha256: str = ""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        # its own first draw of numbers would load torch's compiler where a model is built without storage
        self.embed = nn.Embedding(config.vocab, config.dim, _weight=torch.empty(config.vocab, config.dim))
        self.blocks = nn.ModuleList(build_block(config, i) for i in range(config.layers))
        self.norm = nn.RMSNorm(config.dim)
        self.apply(_initialise)

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return self.embed.weight.device

    @property
    def parameter_count(self) -> int:
        """How many numbers were learned."""
        return sum(p.numel() for p in self.parameters())

    def start(self, batch: int = 1) -> ModelState:
        """The state before the first token."""
        pending = torch.empty(batch, 0, dtype=torch.long, device=self.device)
        layers = tuple(block.start(batch) for block in self.blocks)  # type: ignore[operator]
        return ModelState(0, layers, pending, None, self.config.digest, layers)

    def forward(
        self,
        ids: Tensor,
        state: ModelState | None = None,
        *,
        settings: Settings | None = None,
        signals: Wanted = False,
    ) -> Output:
        """ids: (B, T) token ids, T at least 1. signals: all, none, or "gates" for theta, eta and alpha alone.

        Raises ConfigError for no tokens or a state of another shape."""
        if ids.dim() != 2 or ids.shape[1] < 1:
            raise ConfigError(f"ids has shape {tuple(ids.shape)}; it must be (batch, tokens) with at least one token")
        state = self.start(ids.shape[0]) if state is None else state
        if state.model != self.config.digest:
            raise ConfigError("the state comes from a model of another config; a state continues only in its own")
        if state.pending.shape[0] != ids.shape[0]:
            raise ConfigError(f"the state holds {state.pending.shape[0]} texts, but ids hold {ids.shape[0]}")
        settings = Settings() if settings is None else settings
        unit = self.unit(settings, state)
        known = state.pending.shape[1]
        ids = torch.cat((state.pending, ids), 1)
        whole = ids.shape[1] - ids.shape[1] % unit
        parts, position, layers = [], state.position, state.layers
        if whole:
            logits, layers, named = self.through(ids[:, :whole], layers, Step(position, settings, signals))
            parts.append((logits, named))
            position += whole
        now = layers
        if whole < ids.shape[1]:
            logits, now, named = self.through(ids[:, whole:], layers, Step(position, settings, signals))
            parts.append((logits, named))
        logits = _join([p[0] for p in parts], 1)[:, known:]
        named = {name: _join([p[1][name] for p in parts], 3)[..., known:] for name in parts[0][1]}
        state = ModelState(position, layers, ids[:, whole:], logits[:, -1], state.model, now, state.origin)
        return Output(logits, state, named if signals else None)

    def unit(self, settings: Settings, state: ModelState) -> int:
        """Tokens computed together. Raises ConfigError for an update chunk that does not fit the model or the state."""
        if settings.chunk is None:
            return self.config.unit
        unit = self.config.unit_at(settings.chunk)
        if state.position % unit:
            raise ConfigError(f"the state holds {state.position} tokens, no multiple of chunk {settings.chunk}")
        return unit

    def through(self, ids: Tensor, layers: tuple[Any, ...], step: Step) -> tuple[Tensor, tuple[Any, ...], Signals]:
        """ids (B, T) of whole units, or the last of a call: logits (B, T, V), the layers after, and their signals."""
        x = F.rms_norm(self.embed(ids), (self.config.dim,))
        after, named = [], []
        for place, (block, before) in enumerate(zip(self.blocks, layers, strict=True)):
            x, layer, signals = block(x, before, step._replace(layer=place))
            after.append(layer)
            named.append(signals)
        logits = F.linear(self.norm(x), self.embed.weight)
        return logits, tuple(after), {name: torch.stack([n[name] for n in named]) for name in named[0]}


def _join(parts: list[Tensor], dim: int) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim)


def _first_theta(eta_max: float, writes_from: float) -> float:
    """The bias by which a lone write, its momentum run out, takes away 0.28 of the error, or as much as it may."""
    if eta_max in (0, 1):
        return -1.5
    carry = 0.269
    open_ = min(0.9, 0.139 * (1 - eta_max * carry) / ((1 - eta_max) * (1 - carry)))
    chance = writes_from + (1 - writes_from) * open_
    return math.log(chance / (1 - chance))


def _initialise(module: nn.Module) -> None:
    """All initial values in one place. Output projections start at zero: every block starts as the identity."""
    if any(p.is_meta for p in module.parameters(recurse=False)):
        return  # shapes only; drawing numbers there would load torch's compiler
    for name, p in module.named_parameters(recurse=False):
        if name == "persistent":
            nn.init.normal_(p, std=1.0)
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=module.in_features**-0.5)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    elif isinstance(module, MemoryLayer):
        with torch.no_grad():
            nn.init.zeros_(module.gates.weight)
            theta, eta, alpha = module.gates.bias.view(3, -1).unbind()
            theta.fill_(_first_theta(module.eta_max, module.writes_from))
            eta.fill_(-1.0)  # carries 0.27 of eta_max
            forgotten = 1 - 0.5 ** (1 / module.half_life)
            chance = module.forgets_from + (1 - module.forgets_from) * forgotten  # what the floor turns into that
            alpha.fill_(math.log(chance / (1 - chance)))
            alpha[-1] = -9.0  # the last head forgets nothing at first
            module.conv.zero_()
            queries, keys, values = module.conv.chunk(3, 1)
            queries[-1] = values[-1] = 1.0  # the token itself
            keys[-2 if module.taps > 1 else -1] = 1.0  # the one before it: what follows it is stored under it
            for w in module.initial:
                nn.init.normal_(w)  # a unit-length key gives pre-activations of unit variance
    for child_name, child in module.named_children():
        if child_name in ("out", "attention_out", "down") and isinstance(child, nn.Linear):
            nn.init.zeros_(child.weight)
