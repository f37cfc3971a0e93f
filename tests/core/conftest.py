"""Models of a few thousand weights with the real tokenizer: random, seeded, every matrix different from zero."""

from collections.abc import Callable

import pytest
import torch

from titans_core.config import ModelConfig
from titans_core.model import Model
from titans_core.tokenizer import Tokenizer

torch.set_num_threads(1)  # tiny matrices: threads only cost, and one thread sums in one order

SMALL = {"dim": 16, "layers": 2, "heads": 2, "ffn": 24, "window": 16, "chunk": 4, "persistent": 2, "writes_from": 0.0}


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return Tokenizer.load()


@pytest.fixture(scope="session")
def tiny_config() -> Callable[..., ModelConfig]:
    """tiny_config(variant, **changes): a config that runs in milliseconds."""
    return lambda variant, **changes: ModelConfig(variant=variant, **{**SMALL, **changes})


@pytest.fixture(scope="session")
def tiny_model(tiny_config, tokenizer) -> Callable[..., Model]:
    """tiny_model(variant, **changes): a new model each time, the same weights for the same arguments."""

    def build(variant: str, **changes: int) -> Model:
        with torch.random.fork_rng():
            torch.manual_seed(7)
            model = Model(tiny_config(variant, **changes))
            for name, p in model.named_parameters():
                disturb(name, p)
        model.tokenizer, model.name, model.weights_sha256 = tokenizer, f"tiny-{variant}", "0" * 64
        return model.eval().requires_grad_(False)

    return build


@torch.no_grad()
def disturb(name: str, p: torch.Tensor) -> None:
    """Move a parameter off its initial value, which often is zero: nothing may be hidden by that."""
    if name == "embed.weight":
        p.normal_(std=0.5)  # predictions far from uniform
    elif p.dim() == 2 and not p.any():
        p.normal_(std=p.shape[-1] ** -0.5)
    else:
        p.add_(torch.randn_like(p), alpha=0.3)
    if name.endswith("gates.bias"):
        p[-(len(p) // 3) :] = -2.0  # forget fast enough to be seen in a few tokens
