"""What adapters of torch modules share: facts of the model, one reading of a text, and layers put together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from titans_core.adapters.predicted import predictions
from titans_core.adapters.protocol import Tokenizes
from titans_core.adapters.weights import weights_sha256
from titans_core.errors import ConfigError
from titans_core.signals import Arrays, sum_heads


class TorchModel:
    """model: ids (1, T) to logits (1, T, V), or to an object that has them as `logits`; in eval mode.

    name: what its runs are called. predicts: False for a model that returns no logits; then nll and entropy are absent.
    Raises ConfigError for a model in training mode.
    """

    def __init__(self, model: nn.Module, tokenizer: Tokenizes, name: str, *, predicts: bool = True) -> None:
        if model.training:
            raise ConfigError("the model is in training mode, in which it may read otherwise; call model.eval() first")
        self.model, self.tokenizer, self.name, self.predicts = model, tokenizer, name, predicts

    def _facts(self) -> dict[str, Any]:
        """What About says of any torch module."""
        parameters = list(self.model.parameters())
        device, dtype = (parameters[0].device, parameters[0].dtype) if parameters else ("cpu", torch.float32)
        return {
            "parameters": sum(p.numel() for p in parameters),
            "weights_sha256": weights_sha256(self.model),
            "device": str(device),
            "dtype": str(dtype).removeprefix("torch."),
        }

    def _run(self, ids: np.ndarray) -> Arrays:
        """Read all tokens at once; nll and entropy (T,) where the model predicts. Raises ConfigError."""
        device = next((p.device for p in self.model.parameters()), torch.device("cpu"))
        with torch.no_grad():
            out = self.model(torch.from_numpy(ids.astype(np.int64)).to(device)[None])
        if not self.predicts:
            return {}
        logits = getattr(out, "logits", out)
        if not isinstance(logits, Tensor) or logits.dim() != 3 or logits.shape[:2] != (1, len(ids)):
            found = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise ConfigError(
                f"the model gave {found} for {len(ids)} tokens, no logits (1, {len(ids)}, V); predicts=False"
            )
        if logits.shape[2] <= ids.max():
            raise ConfigError(
                f"the model predicts {logits.shape[2]} ids and the text has id {ids.max()}; use its tokenizer"
            )
        return predictions(logits[0], ids)


def together(layers: Sequence[Arrays]) -> Arrays:
    """name -> (layers, t) of every layer's name -> (heads, t), or (t,) of what is of all heads. Heads as ours are."""
    rows = []
    for layer in layers:
        apart = {name: values[None] for name, values in layer.items() if values.ndim == 2}
        whole = {name: values[None] for name, values in layer.items() if values.ndim == 1}
        rows.append({**whole, **sum_heads(apart)})
    return {name: np.concatenate([row[name] for row in rows]).astype(np.float32) for name in rows[0]}
