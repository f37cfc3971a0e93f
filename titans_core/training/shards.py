"""FSDP2: weights, gradients and optimiser state in as many parts as there are processes.

A tensor of a model that is not spread is its own part and its own whole, so the rest of the training need not ask.
torch's modules for this take seconds to load: only where something is spread.
"""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING, Any, TypeGuard

import torch
from torch import Tensor

from titans_core.model import Model

if TYPE_CHECKING:
    from torch.distributed.tensor import DTensor, Placement


def shard(model: Model) -> None:
    """Spread `model` over the processes, in place: a block is whole only while it runs, the rest during the step."""
    from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method  # noqa: PLC0415

    # nothing is changed in place of what a block returns
    warnings.filterwarnings("ignore", "FSDP2-wrapped module .* returned a view", UserWarning)
    for block in model.blocks:
        fully_shard(block)
        register_fsdp_forward_method(block, "start")  # a deep memory begins as the block's own weights
    fully_shard(model)


def is_spread(t: Tensor) -> TypeGuard[DTensor]:
    return _tensors() is not None and isinstance(t, _tensors().DTensor)


def own(t: Tensor) -> Tensor:
    """This process's part of t, the same memory."""
    return t.to_local() if is_spread(t) else t


def whole(t: Tensor) -> Tensor:
    """All of t. Every process must call it."""
    return t.full_tensor() if is_spread(t) else t


@torch.no_grad()
def fill(target: Tensor, full: Tensor) -> None:
    """Put all of a tensor, or what of it is this process's part, into `target`."""
    if is_spread(target):
        full = _everywhere(full.to(target.device), target).redistribute(placements=target.placements)
    target.copy_(full)


def stacked(parts: Tensor, like: Tensor) -> Tensor:
    """Parts (n, ...) of n tensors that are spread as `like` is, as one spread tensor; as they are if it is not."""
    if not is_spread(like):
        return parts
    shape = torch.Size((len(parts), *like.shape))
    stride = torch.empty(shape, device="meta").stride()
    return _tensors().DTensor.from_local(
        parts, like.device_mesh, _behind(like), run_check=False, shape=shape, stride=stride
    )


def unstacked(full: Tensor, like: Tensor) -> Tensor:
    """This process's parts (n, ...) of n whole tensors that would be spread as `like` is."""
    if not is_spread(like):
        return full
    return _everywhere(full, like).redistribute(placements=_behind(like)).to_local()


def _everywhere(full: Tensor, like: DTensor) -> DTensor:
    everywhere = [_tensors().Replicate()] * like.device_mesh.ndim
    return _tensors().DTensor.from_local(full, like.device_mesh, everywhere, run_check=False)


def _behind(like: DTensor) -> list[Placement]:
    """The placements of `like` with one more dimension before the others."""
    split = _tensors().Shard
    return [split(p.dim + 1) if isinstance(p, split) else p for p in like.placements]


def _tensors() -> Any:
    """torch's module of spread tensors, if it is loaded: before that, none can have been made."""
    return sys.modules.get("torch.distributed.tensor")
