"""Muon for the matrices of the blocks, AdamW for everything else; both can be captured in a CUDA graph."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from titans_core.model import Model
from titans_core.training.shards import own, stacked, unstacked, whole

_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # of the Muon reference: quintic, five steps


class Muon(torch.optim.Optimizer):
    """torch.optim.Muon with all matrices of one shape orthogonalised at once: a few launches instead of hundreds.

    The learning rate is a tensor, so that a captured step can follow a schedule. Of matrices that are spread over
    processes the momentum is spread too; only whole matrices can be orthogonalised, so each process does that for all.
    """

    def __init__(self, params: list[Tensor], lr: Tensor, momentum: float = 0.95, weight_decay: float = 0.01):
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        shapes = dict.fromkeys(tuple(p.shape) for p in params)
        self._alike: list[list[Tensor]] = [[p for p in params if tuple(p.shape) == shape] for shape in shapes]

    def start(self) -> None:
        """Make the momentum of all parameters, kept with the first of each shape."""
        for alike in self._alike:
            mine = own(alike[0])
            momentum = torch.zeros(len(alike), *mine.shape, dtype=mine.dtype, device=mine.device)
            self.state[alike[0]]["momentum"] = stacked(momentum, alike[0])

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One step of all parameters. closure is not supported."""
        group = self.param_groups[0]
        for alike in self._alike:
            grads = torch.stack([own(p.grad) for p in alike])  # type: ignore[arg-type]
            buffers = own(self.state[alike[0]]["momentum"])  # of all of them, (n, rows, columns)
            buffers.lerp_(grads, 1 - group["momentum"])
            pushes = whole(stacked(grads.lerp(buffers, group["momentum"]), alike[0]))
            update = unstacked(orthogonalise(pushes), alike[0])
            rows, columns = alike[0].shape
            rate = group["lr"] * max(1.0, rows / columns) ** 0.5
            parts = [own(p) for p in alike]
            torch._foreach_mul_(parts, 1 - group["lr"] * group["weight_decay"])
            torch._foreach_add_(parts, list((-rate * update).unbind()))


def orthogonalise(x: Tensor) -> Tensor:
    """The nearest semi-orthogonal matrices to x (n, rows, columns), roughly: singular values between 0.7 and 1.2."""
    a, b, c = _NEWTON_SCHULZ
    turned = x.shape[-2] > x.shape[-1]
    y = (x.mT if turned else x).bfloat16()
    y = y / y.norm(dim=(-2, -1), keepdim=True).clamp_min(1e-7)
    for _ in range(5):
        gram = y @ y.mT
        y = torch.baddbmm(y, b * gram + c * gram @ gram, y, beta=a)
    return (y.mT if turned else y).to(x.dtype)


class Optimizers:
    """Steps both optimisers at a shared fraction of their peak learning rates."""

    def __init__(self, model: Model, *, matrix_rate: float, other_rate: float) -> None:
        matrices = [
            module.weight
            for name, module in model.blocks.named_modules()
            if isinstance(module, nn.Linear) and not name.endswith("gates")
        ]
        chosen = {id(p) for p in matrices}
        self.others = [p for p in model.parameters() if id(p) not in chosen]
        self.peak = (matrix_rate, other_rate)
        self.rates = [torch.zeros((), device=model.device) for _ in self.peak]
        on_gpu = model.device.type == "cuda"
        self.muon = Muon(matrices, self.rates[0])
        self.adam = torch.optim.AdamW(
            self.others, lr=self.rates[1], betas=(0.9, 0.95), weight_decay=0.0, fused=on_gpu, capturable=on_gpu
        )
        self._start(on_gpu)

    def _start(self, on_gpu: bool) -> None:
        """Make all state now: it can be saved, restored and captured before the first step."""
        self.muon.start()
        for p in self.others:
            count = torch.zeros((), device=p.device if on_gpu else None)
            self.adam.state[p] = {"step": count, "exp_avg": torch.zeros_like(p), "exp_avg_sq": torch.zeros_like(p)}

    def step(self, fraction: float) -> None:
        """fraction: of the peak learning rates, 0..1."""
        self.set_rates(fraction)
        self.update()

    def set_rates(self, fraction: float) -> None:
        for rate, peak in zip(self.rates, self.peak, strict=True):
            rate.fill_(peak * fraction)

    def update(self) -> None:
        """Clip and step at the rates that were set: device work only, so it can be captured."""
        nn.utils.clip_grad_norm_(self.others, 1.0)
        self.muon.step()
        self.adam.step()

    def tensors(self) -> dict[str, Tensor]:
        """Everything the optimisers remember, by name; the same tensors, not copies."""
        return {
            f"{kind}.{i}.{name}": value
            for kind, optimizer in (("muon", self.muon), ("adam", self.adam))
            for i, p in enumerate(optimizer.param_groups[0]["params"])
            for name, value in optimizer.state.get(p, {}).items()
        }


def schedule(done: float, *, warm_up: float = 0.02, decay: float = 0.5) -> float:
    """Fraction of the peak rate after `done` (0..1) of the training: up, flat, straight down to nearly zero."""
    if done < warm_up:
        return done / warm_up
    return min(1.0, max(0.02, (1 - done) / decay))
