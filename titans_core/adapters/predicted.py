"""What a model predicts of the tokens of a text."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from titans_core.measured import measured
from titans_core.signals import Arrays


def predictions(logits: Tensor, ids: np.ndarray) -> Arrays:
    """ "nll" and "entropy" (T,) in bits, of logits (T, V) for the token after each; NaN at the first token."""
    found = measured({}, logits.detach(), None, torch.from_numpy(ids.astype(np.int64)).to(logits.device), False)
    return {name: values.cpu().numpy() for name, values in found.items()}
