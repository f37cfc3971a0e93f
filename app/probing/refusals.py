"""Why a memory cannot be probed at all."""

from __future__ import annotations

from app import memories, theme


def no_memory(checkpoint: str) -> str:
    """A sentence where the checkpoint is not offered here or has no memory; "" where it can be probed."""
    if checkpoint not in memories.names():
        return "This memory is not offered here, so it cannot be probed."
    if not memories.remembers(checkpoint):
        return f"{theme.label(checkpoint)} has no memory to be probed."
    return ""
