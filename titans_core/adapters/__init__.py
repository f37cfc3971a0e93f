"""Other people's memories, traced into the same Dataset: the signals they have, under the same names.

`foreign.trace_foreign` records what an `Adapter` reads; docs/adapters.md shows how one's own is written. The adapters
that come along import their library only when they read:

- `TitansPytorch`: models with NeuralMemory layers of titans-pytorch, such as its MemoryAsContextTransformer;
- `DeltaRule`: models with DeltaNet or GatedDeltaNet layers of flash-linear-attention.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from titans_core.adapters.fla import DeltaRule as DeltaRule
    from titans_core.adapters.foreign import trace_foreign as trace_foreign
    from titans_core.adapters.predicted import predictions as predictions
    from titans_core.adapters.protocol import About as About
    from titans_core.adapters.protocol import Adapter as Adapter
    from titans_core.adapters.protocol import Differs as Differs
    from titans_core.adapters.titans_pytorch import TitansPytorch as TitansPytorch
    from titans_core.adapters.tokens import ByteTokenizer as ByteTokenizer
    from titans_core.adapters.tokens import HubTokenizer as HubTokenizer
    from titans_core.adapters.weights import weights_sha256 as weights_sha256

_HOMES = {
    "About": "protocol",
    "Adapter": "protocol",
    "ByteTokenizer": "tokens",
    "DeltaRule": "fla",
    "Differs": "protocol",
    "HubTokenizer": "tokens",
    "TitansPytorch": "titans_pytorch",
    "predictions": "predicted",
    "trace_foreign": "foreign",
    "weights_sha256": "weights",
}

__all__ = [
    "About",
    "Adapter",
    "ByteTokenizer",
    "DeltaRule",
    "Differs",
    "HubTokenizer",
    "TitansPytorch",
    "predictions",
    "trace_foreign",
    "weights_sha256",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"titans_core.adapters.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'titans_core.adapters' has no attribute {name!r}")
