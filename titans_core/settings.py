"""How a run treats the model: the controls, and changes to the physics of its memory."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from titans_core.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

GATES = ("theta", "eta", "alpha")
RULES = ("*=", "=", "<=", ">=")
TOKENS = {"freeze": "freeze_from", "wipe": "wipe_at"}  # what people write: the field that it sets
MOST_CHUNK = 512  # tokens: what a run computes at once


@dataclass(frozen=True)
class Change:
    """What becomes of a gate: times a number (*=), a number (=), at most (<=) or at least (>=) a number.

    layer: the one it is for, from 0; None for all. eta and alpha stay within 0 to 1 whatever they are multiplied by.
    Raises ConfigError for an unknown gate or rule, or a value outside its range.
    """

    gate: str
    rule: str
    value: float
    layer: int | None = None

    def __post_init__(self) -> None:
        if self.gate not in GATES:
            raise ConfigError(f"there is no gate {self.gate!r}; the gates are {', '.join(GATES)}")
        if self.rule not in RULES:
            raise ConfigError(f"{self.rule!r} does nothing to a gate; use one of {' '.join(RULES)}")
        bounded = self.gate != "theta" and self.rule != "*="
        fits = isinstance(self.value, int | float) and math.isfinite(self.value) and self.value >= 0
        if not fits or (bounded and self.value > 1):
            allowed = "from 0 to 1" if bounded else "of at least 0"
            raise ConfigError(f"{self.gate}{self.rule}{self.value!r}: the value must be a finite number {allowed}")
        if self.layer is not None and (type(self.layer) is not int or self.layer < 0):
            raise ConfigError(f"layer is {self.layer!r}; it must be a whole number of at least 0, or None for all")

    def __str__(self) -> str:
        layer = "" if self.layer is None else f"[{self.layer}]"
        return f"{self.gate}{layer}{self.rule}{self.value:g}"

    def applied(self, gate: Tensor) -> Tensor:
        """The gate as it becomes."""
        if self.rule == "*=":
            scaled = gate * self.value
            return scaled if self.gate == "theta" else scaled.clamp(max=1)
        if self.rule == "=":
            return gate.new_full(gate.shape, self.value)
        return gate.clamp(max=self.value) if self.rule == "<=" else gate.clamp(min=self.value)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a run treats the model.

    zero_reads: the memory still writes, but everything read from it is replaced by zero: the control
    that shows what the memory is worth.
    freeze_writes: the memory is never written: neither pushed nor decayed.
    gates: changes of the gates, applied in this order.
    freeze_from: from this token on the memory stays as it is: theta, eta and alpha are 0.
    wipe_at: just before this token the memory is emptied, weights and momentum. A trace has eta 0 and alpha 1 there,
    which say the same.
    chunk: gradients are taken at the weights before every so many tokens (eq. 16), whatever the model was trained at;
    theta stays as it is. Tokens count from 0, at the first token of the stream.
    Raises ConfigError for a value outside its range.
    """

    zero_reads: bool = False
    freeze_writes: bool = False
    gates: tuple[Change, ...] = ()
    freeze_from: int | None = None
    wipe_at: int | None = None
    chunk: int | None = None

    def __post_init__(self) -> None:
        for name in ("zero_reads", "freeze_writes"):
            if type(getattr(self, name)) is not bool:
                raise ConfigError(f"{name} is {getattr(self, name)!r}; it must be True or False")
        if type(self.gates) is not tuple or not all(isinstance(change, Change) for change in self.gates):
            raise ConfigError(
                f'gates is {self.gates!r}; it must be a tuple of Change, as of tc.intervene("theta*=0.5")'
            )
        for name in TOKENS.values():
            value = getattr(self, name)
            if value is not None and (type(value) is not int or value < 0):
                raise ConfigError(f"{name} is {value!r}; it must be a token, a whole number of at least 0")
        if self.chunk is not None and (type(self.chunk) is not int or not 1 <= self.chunk <= MOST_CHUNK):
            raise ConfigError(f"chunk is {self.chunk!r}; it must be a whole number from 1 to {MOST_CHUNK}")

    @property
    def timed(self) -> bool:
        """Whether it matters which token of the stream it is."""
        return self.freeze_from is not None or self.wipe_at is not None

    def to_dict(self) -> dict[str, Any]:
        """As JSON; what is not set is left out, but for the two controls."""
        values = dataclasses.asdict(self)
        always = ("zero_reads", "freeze_writes")
        return {name: value for name, value in values.items() if name in always or value not in (None, ())}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Settings:
        """The inverse of `to_dict`. Raises ConfigError for unknown names and values outside their range."""
        known = {field.name for field in dataclasses.fields(cls)}
        if unknown := sorted(set(values) - known):
            raise ConfigError(f"unknown settings: {', '.join(unknown)}")
        return cls(**{**values, "gates": tuple(Change(**change) for change in values.get("gates", ()))})

    def check(self, layers: int, first: int, stop: int) -> None:
        """Raises ConfigError where a layer or token is named that a run of tokens first..stop does not have."""
        for change in self.gates:
            if change.layer is not None and change.layer >= layers:
                raise ConfigError(
                    f"{change}: there is no layer {change.layer}; the layers are 0 to {layers - 1}, counted from 0"
                )
        for name, field in TOKENS.items():
            token = getattr(self, field)
            if token is not None and not first <= token < stop:
                raise ConfigError(f"{name}={token}: this text has tokens {first} to {stop - 1}, counted from 0")
