"""What a model is: its frozen shape. (How a run treats it is in settings.py.)"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from titans_core.errors import ConfigError

LARGEST = 1 << 20  # of any one size: far beyond use, near enough to refuse a damaged file
VARIANTS = ("mac", "mag", "mal", "lmm", "transformer", "lightning")


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The shape of a model. Two models with equal configs have the same parameters.

    Raises ConfigError for a value outside its range.
    """

    variant: str
    vocab: int = 4096
    dim: int = 192
    layers: int = 3
    heads: int = 3
    ffn: int = 384
    window: int = 64  # attention window of mag, mal and transformer; segment length of mac
    persistent: int = 4  # learned, input-independent tokens before every window (eq. 19)
    chunk: int = 1  # tokens whose gradients are taken at the same memory weights (eq. 16); 1: eqs. 13-14 as printed
    memory_depth: int = 1  # L_M: layers of the memory itself
    memory_hidden: int = 64  # width between those layers, per head
    conv: int = 4  # taps of the causal depthwise convolution on q, k and v
    writes_from: float = 0.05  # where the sigmoid of theta is under this, nothing is written
    forgets_from: float = 1e-3  # where the sigmoid of alpha is under this, nothing is forgotten
    half_life: int = 7000  # tokens a write takes to lose half, at the start, in all heads of a memory but the last
    eta_max: float = 0.5  # eta stays below it; below 1.0 no gates can make the memory grow (MemoryLayer.gate)
    momentum: bool = True  # False: eta is 0, an ablation
    forgetting: bool = True  # False: alpha is 0, an ablation

    def __post_init__(self) -> None:
        if self.variant not in VARIANTS:
            raise ConfigError(f"unknown variant {self.variant!r}; choose one of {', '.join(VARIANTS)}")
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name in ("writes_from", "forgets_from"):
                if type(value) is not float or not 0 <= value < 1:
                    raise ConfigError(f"{field.name} is {value!r}; it must be a number from 0.0 to below 1")
                continue
            if field.name == "eta_max":
                if type(value) is not float or not 0 < value <= 1:
                    raise ConfigError(f"{field.name} is {value!r}; it must be a number above 0.0 and at most 1.0")
                continue
            if field.name in ("momentum", "forgetting"):
                if type(value) is not bool:
                    raise ConfigError(f"{field.name} is {value!r}; it must be true or false")
                continue
            low = 0 if field.name == "persistent" else 1
            if field.name != "variant" and (type(value) is not int or not low <= value <= LARGEST):
                raise ConfigError(
                    f"{field.name} is {value!r}; it must be a whole number of at least {low} and at most {LARGEST:,}"
                )
        if self.dim % self.heads or (self.dim // self.heads) % 2:
            raise ConfigError(f"dim {self.dim} must split into {self.heads} heads of even width")
        if self.window % self.chunk:
            raise ConfigError(f"window {self.window} must be a multiple of chunk {self.chunk}")

    @property
    def head_dim(self) -> int:
        """Width of a head: of its keys, values and queries."""
        return self.dim // self.heads

    @property
    def has_memory(self) -> bool:
        """Whether there is a neural memory in it: not in the two yardsticks."""
        return self.variant not in ("transformer", "lightning")

    @property
    def unit(self) -> int:
        """Tokens that are computed together: a run may be split only at multiples of this."""
        return self.unit_at(self.chunk)

    def unit_at(self, chunk: int) -> int:
        """`unit` of a run at another update chunk. Raises ConfigError where it does not divide mac's segments."""
        if self.variant == "mac" and self.window % chunk:
            raise ConfigError(f"chunk {chunk} must divide the segments of this mac, {self.window} tokens")
        return {"mac": self.window, "transformer": 1, "lightning": 1}.get(self.variant, chunk)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> ModelConfig:
        """The inverse of `to_dict`. Raises ConfigError for unknown names and values outside their range."""
        known = {field.name for field in dataclasses.fields(cls)}
        if unknown := sorted(set(values) - known):
            names = ", ".join(sorted(known))
            raise ConfigError(f"unknown model settings: {', '.join(map(str, unknown))}; there are {names}")
        return cls(**values)

    @property
    def digest(self) -> str:
        """sha256 of all of it: equal where two configs are."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()
