"""Muon for the matrices of the blocks, AdamW for everything else."""

from __future__ import annotations

import torch
from torch import nn

from titans_core.model import Model


class Optimizers:
    """Steps both optimisers at a shared fraction of their peak learning rates."""

    def __init__(self, model: Model, *, matrix_rate: float, other_rate: float) -> None:
        matrices = [
            module.weight
            for name, module in model.blocks.named_modules()
            if isinstance(module, nn.Linear) and not name.endswith("gates")
        ]
        chosen = {id(p) for p in matrices}
        others = [p for p in model.parameters() if id(p) not in chosen]
        fused = model.device.type == "cuda"
        self.muon = torch.optim.Muon(matrices, lr=matrix_rate, momentum=0.95, weight_decay=0.01)
        self.adam = torch.optim.AdamW(others, lr=other_rate, betas=(0.9, 0.95), weight_decay=0.0, fused=fused)
        self.others = others
        self.peak = (matrix_rate, other_rate)

    def step(self, fraction: float) -> None:
        """fraction: of the peak learning rates, 0..1."""
        nn.utils.clip_grad_norm_(self.others, 1.0)
        for optimizer, peak in zip((self.muon, self.adam), self.peak, strict=True):
            optimizer.param_groups[0]["lr"] = peak * fraction
            optimizer.step()


def schedule(done: float, *, warm_up: float = 0.02, decay: float = 0.5) -> float:
    """Fraction of the peak rate after `done` (0..1) of the training: up, flat, straight down to nearly zero."""
    if done < warm_up:
        return done / warm_up
    return min(1.0, max(0.02, (1 - done) / decay))
