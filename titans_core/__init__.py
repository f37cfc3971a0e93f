"""Titanscope's core: the Titans memory, its variants, and a record of what the memory did with every token.

Names are loaded on first use, so that `import titans_core` is quick and does not need torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from titans_core.assets import checkpoint_names as checkpoints

if TYPE_CHECKING:
    from titans_core import adapters as adapters
    from titans_core import memory as memory
    from titans_core.adapters.foreign import trace_foreign as trace_foreign
    from titans_core.checkpoint import load as load
    from titans_core.config import ModelConfig as ModelConfig
    from titans_core.interventions import intervene as intervene
    from titans_core.record import open_trace as open_trace
    from titans_core.settings import Settings as Settings
    from titans_core.tracing import run as run
    from titans_core.tracing import trace as trace

__version__ = "0.1.0"

_HOMES = {
    "load": "checkpoint",
    "ModelConfig": "config",
    "Settings": "settings",
    "open_trace": "record",
    "run": "tracing",
    "trace": "tracing",
    "intervene": "interventions",
    "trace_foreign": "adapters.foreign",
}
_MODULES = ("adapters", "memory")

__all__ = [
    "ModelConfig",
    "Settings",
    "adapters",
    "checkpoints",
    "intervene",
    "load",
    "memory",
    "open_trace",
    "run",
    "trace",
    "trace_foreign",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"titans_core.{name}")
    if name in _HOMES:
        return getattr(importlib.import_module(f"titans_core.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'titans_core' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
