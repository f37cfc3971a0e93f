"""What a layer is told beside its input."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from titans_core.memory.types import Wanted
from titans_core.settings import Settings


class Step(NamedTuple):
    """Where in the stream and in the model a layer is called, and how."""

    position: int | Tensor  # of the first token of this call in the stream; a tensor () where no setting is timed
    settings: Settings
    signals: Wanted
    layer: int = 0

    def wiped(self, tokens: int) -> int | None:
        """Before which of this call's tokens the memory is emptied; None where it is not."""
        at = self.settings.wipe_at
        return int(at - self.position) if at is not None and 0 <= at - self.position < tokens else None
