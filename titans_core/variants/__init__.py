"""The architectures, one block a file."""

from __future__ import annotations

from torch import nn

from titans_core.config import ModelConfig
from titans_core.variants.lightning import LightningBlock, is_softmax
from titans_core.variants.lmm import LmmBlock
from titans_core.variants.mac import MacBlock
from titans_core.variants.mag import MagBlock
from titans_core.variants.mal import MalBlock
from titans_core.variants.transformer import TransformerBlock

BLOCKS: dict[str, type[nn.Module]] = {
    "mac": MacBlock,
    "mag": MagBlock,
    "mal": MalBlock,
    "lmm": LmmBlock,
    "transformer": TransformerBlock,
    "lightning": LightningBlock,
}


def build_block(config: ModelConfig, index: int = 0) -> nn.Module:
    """One untrained block of the config's variant; index: its place in the model, from 0."""
    if config.variant == "lightning":
        return TransformerBlock(config) if is_softmax(config, index) else LightningBlock(config, index)
    return BLOCKS[config.variant](config)
