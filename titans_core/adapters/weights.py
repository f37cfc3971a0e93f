"""The sha256 by which the weights of a model are known."""

from __future__ import annotations

import hashlib

import torch
from torch import nn


def weights_sha256(model: nn.Module) -> str:
    """Of all parameters and stored buffers: names, dtypes, shapes and bytes."""
    found = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        held = value.detach().cpu().contiguous()
        found.update(f"{name} {held.dtype} {tuple(held.shape)}\n".encode())
        found.update(held.reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()
