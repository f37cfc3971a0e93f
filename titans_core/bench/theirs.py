"""titans-pytorch, where it is installed: its NeuralMemory at the settings of ours."""

from __future__ import annotations

import importlib.util

import torch
from torch import Tensor

from titans_core.bench.counts import Shape
from titans_core.bench.readers import Reader
from titans_core.versions import MISSING, installed

PACKAGE = "titans-pytorch"
HOW = "not installed; pip install titans-pytorch gets it"
INCLUDES = (
    "its whole NeuralMemory, as it is called: norm, projections, gates, writing, reading, combining heads; momentum "
    "and forgetting once a chunk"
)


def there() -> bool:
    return importlib.util.find_spec("titans_pytorch") is not None


def name(chunk: int) -> str:
    return f"titans-pytorch, chunk {chunk}"


def version() -> str:
    found = installed(PACKAGE)
    return "of unknown version" if found == MISSING and there() else found


def neural_memory(shape: Shape, device: torch.device) -> Reader:
    """With its weights renewed every chunk (batch_size), the same number of layers and the same width between them."""
    from titans_pytorch import NeuralMemory  # noqa: PLC0415

    torch.manual_seed(0)
    memory = NeuralMemory(
        dim=shape.dim,
        heads=shape.heads,
        dim_head=shape.width,
        chunk_size=shape.chunk,
        batch_size=shape.chunk,
        default_model_kwargs={"depth": shape.depth, "expansion_factor": shape.hidden / shape.width},
    ).to(device)
    x = torch.randn(shape.batch, shape.tokens, shape.dim, device=device, requires_grad=True)

    def call() -> Tensor:
        retrieved: Tensor = memory(x)[0]
        return retrieved

    return Reader(name(shape.chunk), call, (x, *memory.parameters()), shape.read, INCLUDES)
