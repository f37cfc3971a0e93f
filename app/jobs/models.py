"""The models of a worker: those that are offered, each loaded once and kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app import memories


class Models:
    """say, stop: as telling.Progress takes them."""

    def __init__(self, device: str, say: Callable[..., None], stop: Callable[[str], None]) -> None:
        self.device = device
        self._say, self._stop = say, stop
        self._loaded: dict[str, Any] = {}

    def get(self, run: str, name: str) -> Any:
        """An offered model for this attempt. Raises Cancelled, and CheckpointError for a name that is not offered."""
        import titans_core as tc  # noqa: PLC0415
        from titans_core.errors import CheckpointError  # noqa: PLC0415

        self._stop(run)
        if name not in memories.names():  # tc.load would take any path; the page may only name what is offered
            raise CheckpointError(f"unknown checkpoint {name!r}; there are {', '.join(memories.names())}")
        if name not in self._loaded:
            self._say(event="loading", id=run)
            self._loaded[name] = tc.load(memories.folder(name), device=self.device)
        return self._loaded[name]


def check_same(model: Any, weights: str) -> None:
    """Raises CheckpointError where other weights than these (their SHA-256) were loaded."""
    from titans_core.errors import CheckpointError  # noqa: PLC0415

    if model.weights_sha256 != weights:
        raise CheckpointError(f"checkpoint {model.name!r} was replaced since it was loaded; start the app again")
