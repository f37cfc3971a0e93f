"""What to do when a loss or a gradient is not finite: find the step and the first tensor, and go back to before it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from titans_core.model import Model
from titans_core.training.batches import Batch
from titans_core.training.optimizer import Optimizers
from titans_core.training.processes import first, largest
from titans_core.training.shards import own
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
        _fill(self._tensors(), self._good)

    def finite(self, loss: float) -> bool:
        """Whether the loss and every weight are finite. Every process must call it."""
        sums = torch.stack([own(p).sum() for p in self.model.parameters()])
        return not largest(not math.isfinite(loss) or not torch.isfinite(sums).all())[0]

    def explain(self, batches: Iterable[tuple[Batch, float]], trained: TrainStep) -> Diverged:
        """Repeat the steps since the last good state one by one; ends in that state. batches: with their rates."""
        found = first(_not_finite("weight", self.model.named_parameters())) or "the loss"
        self.go_back()
        number = self.step
        for number, (batch, fraction) in enumerate(batches, self.step + 1):
            before = {name: t.clone() for name, t in self.model.state_dict().items()}
            loss, _, _ = trained.figures(trained(batch, fraction))
            if not self.finite(loss):
                spoiled = first(_not_finite("weight", self.model.named_parameters()))
                _fill(self.model.state_dict(), before)
                what = f"step {number}: {first(self._first(trained)) or spoiled or 'the loss'} is not finite"
                break
        else:
            what = f"steps {self.step + 1} to {number}: {found} is not finite, but it is when they are repeated"
        self.go_back()
        return Diverged(f"{what}; the state after step {self.step} is kept")

    def _first(self, trained: TrainStep) -> str | None:
        """Of the step's batch, the first module whose output is not finite, in the order they run, or else the first
        such gradient on the way back."""
        found: list[str] = []

        def look(name: str) -> Callable[[nn.Module, object, object], None]:
            def hook(_: nn.Module, __: object, output: object) -> None:
                if not found and any(not t.isfinite().all() for t in _floats(output)):
                    found.append(f"the output of {name}")

            return hook

        hooks = [m.register_forward_hook(look(name)) for name, m in self.model.named_modules() if name]
        try:
            self.model.zero_grad(set_to_none=True)
            with torch.compiler.set_stance("force_eager"):  # compiled blocks would not call the hooks inside
                trained.backward()
        finally:
            for hook in hooks:
                hook.remove()
        backwards = reversed(list(self.model.named_parameters()))
        grads = ((name, p.grad) for name, p in backwards if p.grad is not None)
        return found[0] if found else _not_finite("gradient", grads)

    def _tensors(self) -> dict[str, Tensor]:
        return {**dict(self.model.state_dict()), **self.optimizers.tensors()}


@torch.no_grad()
def _fill(targets: dict[str, Tensor], values: dict[str, Tensor]) -> None:
    for name, t in targets.items():
        t.copy_(values[name])


def _not_finite(what: str, named: Iterable[tuple[str, Tensor]]) -> str | None:
    return next((f"the {what} of {name}" for name, t in named if not own(t).isfinite().all()), None)


def _floats(output: object) -> list[Tensor]:
    if isinstance(output, Tensor):
        return [output] if output.is_floating_point() else []
    return [t for part in output for t in _floats(part)] if isinstance(output, tuple | list) else []
