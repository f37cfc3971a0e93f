"""One training step: weighted next-token loss, gradients, both optimisers; on CUDA compiled and replayed as graphs."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import functional as F

from titans_core.layers.memory import MemoryState
from titans_core.model import Model, ModelState
from titans_core.tasks import Role
from titans_core.training.batches import Batch
from titans_core.training.optimizer import Optimizers
from titans_core.training.processes import world_size
from titans_core.training.shards import is_spread
from titans_core.variants.mac import MacBlock

SMALL = 0.01  # a write of this size counts half

Losses = Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


class TrainStep:
    """Callable on batches of one shape; updates the model in place.

    compiled: worth about a minute on CUDA where thousands of steps follow; not of a model that is spread over
    processes. write_cost: weight of `lasting_writes` in
    what is trained; lasting: its tokens. Returns (5,) on the model's device, of this
    process's rows: the weighted loss that is trained, and the loss in nats of all tokens of plain text, how many they
    are, and the same of answers. `figures` makes means of them.
    """

    def __init__(
        self,
        model: Model,
        optimizers: Optimizers,
        batch: Batch,
        *,
        write_cost: float = 0.0,
        lasting: int = 1024,
        compiled: bool = True,
    ) -> None:
        self.model, self.optimizers = model, optimizers
        self.world, self.sharded = world_size(), is_spread(model.embed.weight)
        self.static = Batch(*(torch.zeros_like(x, device=model.device) for x in batch))
        self.losses: Losses = weighted
        self.write_cost = write_cost if model.config.has_memory else 0.0
        self.lasting = lasting
        captured = model.device.type == "cuda" and not self.sharded  # FSDP gathers and frees weights as it goes
        self.compiled = compiled and captured
        self._replay = self._eager
        if captured:
            self._capture()

    def __call__(self, batch: Batch, fraction: float) -> Tensor:
        """fraction: of the peak learning rates."""
        for static, value in zip(self.static, batch, strict=True):
            static.copy_(value, non_blocking=True)
        self.optimizers.set_rates(fraction)
        return self._replay()

    def figures(self, stats: Tensor) -> tuple[float, float, float]:
        """Of the rows of all processes: the weighted loss, and the mean loss in nats per token of plain text and of
        answers, NaN where the batch has none. stats: what the step returned. Every process must call it."""
        if self.world > 1:
            stats = stats.clone()
            dist.all_reduce(stats)
        loss, text, texts, answer, answers = stats.tolist()
        return loss / self.world, text / texts if texts else math.nan, answer / answers if answers else math.nan

    def backward(self) -> Tensor:
        """Loss and gradients of the batch in `static`; the gradients are this process's own, but where weights are
        spread they are the means that FSDP makes on the way."""
        ids, role, weight = self.static
        with torch.autocast(self.model.device.type, torch.bfloat16, cache_enabled=False):
            start = _with_gradients(self.model.start(len(ids))) if self.compiled else None
            logits, _, gates = self.model(ids[:, :-1].long(), start, signals="gates" if self.write_cost else False)
        loss, stats = self.losses(logits, ids[:, 1:].long(), role, weight * self.world)
        if gates is not None:
            loss = loss + self.write_cost * lasting_writes(gates, self.lasting)
        loss.backward()
        return stats

    def _eager(self) -> Tensor:
        self.model.zero_grad(set_to_none=True)
        stats = self.backward()
        self._exchange()
        self.optimizers.update()
        return stats

    def _exchange(self) -> None:
        """The mean of all processes' gradients, as DDP makes it, but in one piece between two graphs. Each loss is
        already scaled so that this is the whole batch's."""
        if self.world == 1 or self.sharded:
            return
        grads = [p.grad for p in self.model.parameters() if p.grad is not None]
        flat = torch.cat([g.flatten() for g in grads])
        dist.all_reduce(flat)
        flat /= self.world
        for grad, part in zip(grads, flat.split([g.numel() for g in grads]), strict=True):
            grad.copy_(part.view_as(grad))

    def _capture(self) -> None:
        _compile_blocks(self.model, self.compiled)
        if self.compiled:
            self.losses = torch.compile(weighted)
        kept = {name: t.clone() for name, t in self.optimizers.tensors().items()}
        self.optimizers.set_rates(0.0)
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                self._eager()
        torch.cuda.current_stream().wait_stream(side)
        self.model.zero_grad(set_to_none=True)
        compute, update = torch.cuda.CUDAGraph(), torch.cuda.CUDAGraph()
        errors = "global" if self.world == 1 else "thread_local"  # NCCL's own thread asks the GPU how far it is
        with torch.cuda.graph(compute, capture_error_mode=errors):
            stats = self.backward()
        with torch.cuda.graph(update, capture_error_mode=errors):
            self.optimizers.update()
        for name, t in self.optimizers.tensors().items():
            t.copy_(kept[name])

        def replay() -> Tensor:
            compute.replay()
            self._exchange()
            update.replay()
            return stats

        self._replay = replay


def weighted(logits: Tensor, target: Tensor, role: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """The loss of (B, L) targets under their weights, and the five figures that TrainStep returns."""
    nll = F.cross_entropy(logits.flatten(0, 1).float(), target.flatten(), reduction="none").view_as(target)
    loss = (nll * weight).sum()
    masks = [(role == kind).float() for kind in (int(Role.TEXT), int(Role.ANSWER))]
    sums = [total for mask in masks for total in ((nll * mask).sum(), mask.sum())]
    return loss, torch.stack((loss, *sums)).detach()


def lasting_writes(gates: dict[str, Tensor], lasting: int) -> Tensor:
    """How many of a token's writes last: for each head t / (t + SMALL) of the whole write t = theta / (1 - eta), times
    what the head would keep of it for `lasting` tokens; summed over heads and layers, mean over tokens.

    gates: theta, eta, alpha, each (layers, B, H, T). The loss of windows of a few thousand tokens does not see what
    many small writes do to a memory that never forgets. A cost in proportion to t would only shrink all writes, which
    changes nothing: reads are normalised.
    """
    kept = (lasting * torch.log1p(-gates["alpha"].detach()).mean(-1, keepdim=True)).exp()
    whole = gates["theta"] / (1 - gates["eta"])
    return (whole / (whole + SMALL) * kept).mean((1, 3)).sum()


def _with_gradients(start: ModelState) -> ModelState:
    """The same, so that mac's first segment is compiled like those after it: their state comes with gradients."""
    for layer in start.layers:
        if isinstance(layer, MemoryState):
            for t in (*layer.weights, *layer.momentum, layer.tail):
                t.requires_grad_()
    return start


def _compile_blocks(model: Model, compiled: bool) -> None:
    """Compile what each block does once per call: whole blocks, but of mac the parts around its loop of segments. Or
    undo that, where an earlier stage did it."""
    for block in model.blocks:
        for name in ("before", "through", "after") if isinstance(block, MacBlock) else ("forward",):
            vars(block).pop(name, None)
            if compiled:
                setattr(block, name, torch.compile(getattr(block, name), dynamic=False))
