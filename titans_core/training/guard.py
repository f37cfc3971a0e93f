"""What to do when a loss or a gradient is not finite: find the step and the first tensor, and go back to before it."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from titans_core.model import Model
from titans_core.training.batches import Batch
from titans_core.training.optimizer import Optimizers
from titans_core.training.step import TrainStep


class Diverged(RuntimeError):
    """Something is not finite; the message names the step and the first tensor."""


class Guard:
    """Holds the last good state of a training and finds out what went wrong after it."""

    def __init__(self, model: Model, optimizers: Optimizers) -> None:
        self.model, self.optimizers = model, optimizers
        self.keep(0)

    def keep(self, step: int) -> None:
        """Remember the present state as good, after `step` steps."""
        self.step = step
        self._good = {name: t.clone() for name, t in self._tensors().items()}

    def go_back(self) -> None:
        """Bring the model and the optimisers back to the last good state."""
        with torch.no_grad():
            for name, t in self._tensors().items():
                t.copy_(self._good[name])

    def finite(self, stats: Tensor) -> bool:
        """Whether the loss and every weight are finite."""
        return bool(torch.isfinite(torch.stack([stats[0], *(p.sum() for p in self.model.parameters())])).all())

    def explain(self, batches: Iterable[tuple[Batch, float]], trained: TrainStep) -> Diverged:
        """Repeat the steps since the last good state one by one; ends in that state. batches: with their rates."""
        self.go_back()
        what = f"something between steps {self.step} and the next look is not finite, but not when repeated"
        for number, (batch, fraction) in enumerate(batches, self.step + 1):
            found = self._first(batch, trained) if not bool(torch.isfinite(trained(batch, 0.0)[0])) else None
            trained(batch, fraction)
            found = found or _not_finite("weight", self.model.named_parameters())
            if found:
                what = f"step {number}: {found} is not finite"
                break
        self.go_back()
        return Diverged(f"{what}; the state after step {self.step} is kept")

    def _first(self, batch: Batch, trained: TrainStep) -> str:
        """The first module whose output is not finite, in the order they run, or else the first such gradient."""
        found: list[str] = []

        def look(name: str) -> object:
            def hook(_: nn.Module, __: object, output: object) -> None:
                if not found and any(not t.isfinite().all() for t in _floats(output)):
                    found.append(f"the output of {name}")

            return hook

        hooks = [m.register_forward_hook(look(name)) for name, m in self.model.named_modules() if name]  # type: ignore[arg-type]
        try:
            with torch.no_grad():
                self.model(batch.ids[:, :-1].long().to(self.model.device))
        finally:
            for hook in hooks:
                hook.remove()
        return found[0] if found else "the loss"

    def _tensors(self) -> dict[str, Tensor]:
        return {**dict(self.model.state_dict()), **self.optimizers.tensors()}


def _not_finite(what: str, named: Iterable[tuple[str, Tensor]]) -> str | None:
    return next((f"the {what} of {name}" for name, t in named if not t.isfinite().all()), None)


def _floats(output: object) -> list[Tensor]:
    if isinstance(output, Tensor):
        return [output] if output.is_floating_point() else []
    return [t for part in output for t in _floats(part)] if isinstance(output, tuple | list) else []
