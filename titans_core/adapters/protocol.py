"""What a foreign model must tell to be traced. Needs no torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np

from titans_core.signals import Arrays
from titans_core.tokenizer import Encoding


class Differs(NamedTuple):
    """How a variable differs from ours of the same name, kept in its attributes.

    granularity: "token", "chunk" or "segment", at which its values are true. source: the definition, where it is not
    the paper's. differs: what a reader must know before comparing it with ours, in words.
    """

    granularity: str = "token"
    source: str = ""
    differs: str = ""


@dataclass(frozen=True, kw_only=True)
class About:
    """The facts of a model, kept with the trace.

    library: what it comes from, with its version: "titans-pytorch 0.5.5". variant: the kind of memory. chunk: tokens
    that share one write. parameters: how many numbers the model has; weights_sha256: of all of them. config: what it
    was built with, as JSON. versions: of the libraries that read. differs: by the names of variables.
    """

    library: str
    variant: str
    chunk: int
    parameters: int
    weights_sha256: str
    device: str = "cpu"
    dtype: str = "float32"
    config: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    differs: Mapping[str, Differs] = field(default_factory=dict)


class Tokenizes(Protocol):
    """`titans_core.tokenizer.Tokenizer`, `ByteTokenizer` and `HubTokenizer` are such."""

    @property
    def pieces(self) -> Sequence[str]:
        """How each token id is shown."""

    def encode(self, text: str) -> Encoding:
        """The ids of `text` and the characters that each stands for, in the order of the text."""


class Adapter(Protocol):
    """A foreign model and its memory."""

    @property
    def name(self) -> str:
        """What its runs are called; none of the checkpoints that ship."""

    @property
    def tokenizer(self) -> Tokenizes:
        """What makes ids of a text for it."""

    def about(self) -> About:
        """What is kept of it with the trace."""

    def read(self, ids: np.ndarray) -> Iterable[Arrays]:
        """Read the tokens (T,) from an empty memory; what it has of them, span after span.

        name -> (layers, t) or (layers, heads, t) under the names of `titans_core.signals.SIGNALS`, and (t,) of "nll"
        and "entropy"; every span has the same names. NaN is for what is undefined at a token. A signal that the model
        does not have is left out: never made up.
        """
