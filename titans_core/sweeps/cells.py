"""What a cell of a sweep is: everything that its numbers follow from, and the key that names them. No torch here."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from typing import Any, ClassVar

from titans_core import __version__
from titans_core.settings import Settings

FORMAT = 1  # of cells and of their results
ALL = 1 << 22  # tokens: what a task that reads all there is counts for, when cells are put in order


def canonical(values: Any) -> bytes:
    """JSON of which there is one for the same values. Raises ValueError for NaN and infinity."""
    return json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


@dataclass(frozen=True)
class Identity:
    """A model: sha256 of its weights, of its config and of its tokenizer. Its name and folder are no part of it."""

    weights: str
    config: str
    tokenizer: str


@dataclass(frozen=True, kw_only=True)
class Cell:
    """device: "cpu" or "cuda", whose numbers differ in their last digits."""

    kind: ClassVar[str]
    model: Identity
    device: str = "cpu"

    def to_dict(self) -> dict[str, Any]:
        """As JSON, with the format and the version of the package that measures it."""
        versions = {"format": FORMAT, "titanscope": __version__}
        return {**versions, "kind": self.kind, **dataclasses.asdict(self)}

    @property
    def key(self) -> str:
        """sha256 of all of that: what was measured otherwise, or of another model or text, has another."""
        return hashlib.sha256(canonical(self.to_dict())).hexdigest()

    @property
    def cost(self) -> int:
        """About how many tokens it reads, so that the longest can be begun first."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Needle(Cell):
    """A cell of `titans niah`: n texts of `length` tokens with a fact at `depth`. haystack: sha256 of the document."""

    kind: ClassVar[str] = "needle"
    haystack: str
    task: str
    length: int
    depth: float
    control: str
    n: int
    seed: int

    @property
    def cost(self) -> int:
        return self.length * self.n


@dataclass(frozen=True, kw_only=True)
class Evaluate(Cell):
    """A cell of `titans eval`. data: sha256 of the files that its task reads. length, n: as in `evaluation.cells`."""

    kind: ClassVar[str] = "evaluate"
    data: str
    task: str
    length: int | None
    control: str
    n: int | None
    seed: int

    @property
    def cost(self) -> int:
        return ALL if self.n is None else self.n * (self.length or 256)


@dataclass(frozen=True, kw_only=True)
class Compare(Cell):
    """What `titans compare` says of a run of `model` under `settings` against one of `against`, of one document.

    document: sha256 of its text; size: its bytes. layer: from 0; None for all together.
    """

    kind: ClassVar[str] = "compare"
    document: str
    size: int
    settings: Settings
    against: Identity
    signal: str
    layer: int | None

    @property
    def cost(self) -> int:
        return self.size
