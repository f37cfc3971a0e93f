"""What goes into and comes out of the memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from titans_core.errors import ConfigError, shown

Weights = tuple[Tensor, ...]
Watch = Callable[[int, Weights], None]  # told the weights (B, H, D_in, D_out) after so many tokens of a call
Wanted = bool | Literal["gates"]  # all signals, none, or of a memory only theta, eta and alpha, which cost nothing


class MemoryScan(NamedTuple):
    """The result of reading and writing T tokens.

    reads: (B, H, T, D_out). weights and momentum: after the last token, per memory layer (B, H, D_in, D_out).
    signals: name -> (B, H, T), or None when not asked for.
    """

    reads: Tensor
    weights: Weights
    momentum: Weights
    signals: dict[str, Tensor] | None


def zeros_like(weights: Weights) -> Weights:
    return tuple(torch.zeros_like(w) for w in weights)


def learns(*tensors: Tensor) -> bool:
    """Whether gradients are wanted of any of them."""
    return torch.is_grad_enabled() and any(x.requires_grad for x in tensors)


def _check_kinds(named: dict[str, object], dims: int | None = None) -> None:
    """Raise ConfigError for what is not a tensor, or not one of so many dimensions."""
    for name, value in named.items():
        if not isinstance(value, Tensor):
            raise ConfigError(f"{name} is {shown(value)}; it must be a tensor")
        if dims is not None and value.dim() != dims:
            raise ConfigError(f"{name} has shape {tuple(value.shape)}; it must be (B, H, D_in, D_out)")


def check_inputs(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    theta: Tensor,
    eta: Tensor,
    alpha: Tensor,
    weights: Weights,
    momentum: Weights | None,
    chunk: int,
) -> None:
    """Raise ConfigError for what is not a tensor, and where shapes do not fit together."""
    _check_kinds({"q": q, "k": k, "v": v, "theta": theta, "eta": eta, "alpha": alpha})
    for name, layers in (("weights", weights), *((("momentum", momentum),) if momentum is not None else ())):
        if not isinstance(layers, tuple | list):
            raise ConfigError(f"{name} is {shown(layers)}; give a tuple of one tensor (B, H, D_in, D_out) a layer")
        _check_kinds({f"{name}[{layer}]": w for layer, w in enumerate(layers)}, 4)
    if type(chunk) is not int or chunk < 1:
        raise ConfigError(f"chunk is {chunk!r}; it must be a whole number of at least 1")
    if k.dim() != 4 or k.shape[2] < 1:
        raise ConfigError(f"k has shape {tuple(k.shape)}; it must be (B, H, T, D) with at least one token")
    if not weights:
        raise ConfigError("weights is empty; a memory has at least one layer")
    lead = tuple(k.shape[:3])
    if momentum is not None and len(momentum) != len(weights):
        raise ConfigError(f"momentum has {len(momentum)} layers and weights {len(weights)}; give one for each")
    expected = {
        "q": (q, (*lead, weights[0].shape[-2])),
        "k": (k, (*lead, weights[0].shape[-2])),
        "v": (v, (*lead, weights[-1].shape[-1])),
        "theta": (theta, lead),
        "eta": (eta, lead),
        "alpha": (alpha, lead),
    }
    width = weights[0].shape[-2]
    for layer, w in enumerate(weights):
        expected[f"weights[{layer}]"] = (w, (*lead[:2], width, w.shape[-1]))
        if momentum is not None:
            expected[f"momentum[{layer}]"] = (momentum[layer], tuple(w.shape))
        width = w.shape[-1]
    for name, (tensor, shape) in expected.items():
        if tuple(tensor.shape) != shape:
            raise ConfigError(f"{name} has shape {tuple(tensor.shape)}; with k of {tuple(k.shape)} it must be {shape}")
