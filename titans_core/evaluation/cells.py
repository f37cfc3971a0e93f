"""One cell of an evaluation: what was asked for (Job), what came out (Cell), and the interval around a rate."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from titans_core.errors import ConfigError
from titans_core.settings import Settings

# What is done to the memory, or to the text: absent is the same text without the facts asked for.
CONTROLS: dict[str, Settings] = {
    "live": Settings(),
    "zeroed": Settings(zero_reads=True),
    "frozen": Settings(freeze_writes=True),
    "absent": Settings(),
}
_Z = 1.959963984540054  # 97.5 % of a normal distribution lie below


class Key(NamedTuple):
    """length: tokens of each text; 0: no haystack; None: texts as they come."""

    task: str
    length: int | None
    control: str


@dataclass(frozen=True)
class Job:
    """A cell to fill. n: how many texts; None: all there are."""

    key: Key
    n: int | None

    @property
    def label(self) -> str:
        length = "" if self.key.length is None else f" {length_name(self.key.length)}"
        return f"{self.key.task}{length} {self.key.control}"


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A filled cell.

    right of n texts were answered exactly; low, high: Wilson's 95 % interval of the rate. bits: mean -log2 p of a
    whole answer; token_rate: share of the answer tokens that were the most likely ones. outcomes: one bit a text in
    hex, the first text in the highest bit. sample: digest of the first text. kinds: how many errors of each kind.
    invented: of the absent control, see `needles`. majority, random: of bAbI, the share right if always the most
    frequent answer of these texts was given, or one of their answers at random. perplexity: of LAMBADA's last words.
    """

    task: str
    length: int | None
    control: str
    n: int
    right: int
    rate: float
    low: float
    high: float
    bits: float
    token_rate: float
    outcomes: str
    sample: str
    seconds: float
    device: str
    kinds: dict[str, int] = field(default_factory=dict)
    invented: int | None = None
    majority: float | None = None
    random: float | None = None
    perplexity: float | None = None

    @property
    def key(self) -> Key:
        return Key(self.task, self.length, self.control)

    @property
    def right_each(self) -> np.ndarray:
        """bool (n,): which texts were answered exactly."""
        return unpack(self.outcomes, self.n)

    def to_dict(self) -> dict[str, Any]:
        """Without what does not apply to this cell."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value is not None}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Cell:
        """Raises ConfigError for values that are not those of a cell."""
        try:
            cell = cls(**{"length": None, **values})
            if int(cell.right_each.sum()) != cell.right:
                raise ValueError("its outcomes do not add up to its number of right answers")
        except (TypeError, ValueError) as error:
            raise ConfigError(f"not a cell of an evaluation: {error}") from None
        return cell


def wilson(right: int, n: int) -> tuple[float, float]:
    """The 95 % score interval of Wilson (1927) for `right` of n. Raises ConfigError for n below 1 or right outside."""
    if n < 1 or not 0 <= right <= n:
        raise ConfigError(f"{right} right of {n} is no rate; n must be at least 1 and right from 0 to n")
    rate, z2 = right / n, _Z * _Z
    middle = (rate + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z / (1 + z2 / n) * math.sqrt(rate * (1 - rate) / n + z2 / (4 * n * n))
    low = 0.0 if right == 0 else max(0.0, middle - half)
    return low, 1.0 if right == n else min(1.0, middle + half)


def pack(right: Sequence[bool]) -> str:
    """One bit each, as hex, filled up with zeros to whole bytes."""
    return np.packbits(np.array(right, bool)).tobytes().hex()


def unpack(outcomes: str, n: int) -> np.ndarray:
    """bool (n,). Raises ValueError for hex of another length."""
    data = np.frombuffer(bytes.fromhex(outcomes), np.uint8)
    if len(data) != (n + 7) // 8:
        raise ValueError(f"{len(data)} bytes of outcomes for {n} texts")
    return np.unpackbits(data)[:n].astype(bool)


def length_name(length: int) -> str:
    """2048 -> 2K, 1048576 -> 1M."""
    for size, unit in ((1 << 20, "M"), (1 << 10, "K")):
        if length >= size and length % size == 0:
            return f"{length // size}{unit}"
    return "0K" if not length else str(length)
