"""Training: next-token loss on windows of the corpus, the whole forward and backward replayed as one CUDA graph."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from titans_core import checkpoint
from titans_core.errors import ConfigError
from titans_core.model import Model
from titans_core.training.optimizer import Optimizers, schedule


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How long and how fast. stages: (fraction of all steps, tokens per window); windows fill the same batch of tokens.

    A run that would take longer than max_minutes is stopped then, with its learning rate brought down in time.
    """

    steps: int
    batch_tokens: int = 32_768
    stages: tuple[tuple[float, int], ...] = ((0.4, 256), (0.6, 1024))
    matrix_rate: float = 0.02
    other_rate: float = 0.004
    seed: int = 1
    max_minutes: float = 60.0

    def __post_init__(self) -> None:
        if self.steps < 1 or not self.max_minutes > 0:
            raise ConfigError(f"steps {self.steps} and max_minutes {self.max_minutes} must be above zero")
        if not self.stages or any(share < 0 or length < 1 for share, length in self.stages):
            raise ConfigError(f"stages {self.stages} need a share of at least 0 and a window of at least 1 token each")
        if self.batch_tokens < max(length for _, length in self.stages):
            raise ConfigError(
                f"batch_tokens {self.batch_tokens} cannot hold the longest window of stages {self.stages}"
            )


class Diverged(RuntimeError):
    """The loss or a gradient is not finite; the message names the first tensor."""


def train(model: Model, stream: np.ndarray, recipe: Recipe, out: Path, report: Callable[[str], None]) -> dict[str, Any]:
    """Train `model` in place on a stream of token ids; saves to `out` every minute and at the end.

    Returns what the card tells of the run. Raises Diverged, leaving the last saved weights, and ConfigError for a
    stream shorter than one batch.
    """
    if len(stream) <= recipe.batch_tokens + 1:
        raise ConfigError(f"the corpus has {len(stream):,} tokens; one batch needs {recipe.batch_tokens + 1:,}")
    torch.manual_seed(recipe.seed)
    data = torch.from_numpy(stream.astype(np.int32)).to(model.device)
    optimizers = Optimizers(model, matrix_rate=recipe.matrix_rate, other_rate=recipe.other_rate)
    curve: list[dict[str, float]] = []
    begun = saved = time.monotonic()
    step = 0
    for length, steps in _plan(recipe):
        replay = _graph(model, recipe.batch_tokens // length, length)
        for windows in _windows(data, length, recipe, step, steps):
            loss = replay(windows)
            optimizers.step(schedule(_done(step, recipe, time.monotonic() - begun)))
            step += 1
            if step % 20 == 0 or step == recipe.steps:
                now = time.monotonic()
                curve.append(_row(step, recipe, length, loss, now - begun))
                if not np.isfinite(curve[-1]["loss"]):
                    _check(model, curve[-1]["loss"])
                if step % 200 == 0:
                    report(_line(curve, recipe))
                if now - saved > 60:
                    saved = now
                    _save(model, recipe, curve, out)
                if now - begun > 60 * recipe.max_minutes:
                    report(f"stopped at step {step} of {recipe.steps}: {recipe.max_minutes} minutes are over")
                    return _save(model, recipe, curve, out)
    return _save(model, recipe, curve, out)


def _done(step: int, recipe: Recipe, seconds: float) -> float:
    """Fraction of the training: of its steps, or of its time if at this speed the time will not do."""
    of_steps, of_time = step / recipe.steps, seconds / (60 * recipe.max_minutes)
    return max(of_steps, of_time) if of_time > 0.5 else of_steps  # a slow start alone changes nothing


def _plan(recipe: Recipe) -> list[tuple[int, int]]:
    """(window length, steps) of each stage; the last takes what rounding leaves."""
    counts = [int(recipe.steps * share) for share, _ in recipe.stages]
    counts[-1] += recipe.steps - sum(counts)
    return [(length, n) for (_, length), n in zip(recipe.stages, counts, strict=True) if n]


def _windows(data: Tensor, length: int, recipe: Recipe, first: int, steps: int) -> Iterator[Tensor]:
    """Batches (B, length+1) without replacement: shuffled tilings of the stream, each with a random phase."""
    rng = np.random.default_rng((recipe.seed, length, first))
    batch = recipe.batch_tokens // length
    span = torch.arange(length + 1, device=data.device)
    starts = np.empty(0, np.int64)
    for _ in range(steps):
        while len(starts) < batch:
            phase = rng.integers(min(length, len(data) - length))
            tiling = rng.permutation(np.arange(phase, len(data) - length, length))
            starts = np.concatenate((starts, tiling))
        chosen, starts = starts[:batch], starts[batch:]
        yield data[torch.from_numpy(chosen).to(data.device)[:, None] + span].long()


def _loss(model: Model, windows: Tensor) -> Tensor:
    with torch.autocast(model.device.type, torch.bfloat16, cache_enabled=False):
        logits = model(windows[:, :-1]).logits
    return F.cross_entropy(logits.float().flatten(0, 1), windows[:, 1:].flatten())


def _graph(model: Model, batch: int, length: int) -> Callable[[Tensor], Tensor]:
    """A function of a batch that leaves gradients on the parameters and returns the loss."""

    def eager(windows: Tensor) -> Tensor:
        model.zero_grad(set_to_none=True)
        loss = _loss(model, windows)
        loss.backward()
        return loss.detach()

    if model.device.type != "cuda":
        return eager
    static = torch.zeros(batch, length + 1, dtype=torch.long, device=model.device)
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(2):
            eager(static)
    torch.cuda.current_stream().wait_stream(side)
    model.zero_grad(set_to_none=True)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        loss = _loss(model, static)
        loss.backward()

    def replay(windows: Tensor) -> Tensor:
        static.copy_(windows)
        graph.replay()
        return loss.detach()

    return replay


def _row(step: int, recipe: Recipe, length: int, loss: Tensor, seconds: float) -> dict[str, float]:
    tokens = step * recipe.batch_tokens
    return {
        "step": step,
        "tokens": tokens,
        "window": length,
        "loss": round(loss.item(), 5),
        "seconds": round(seconds, 2),
    }


def _line(curve: list[dict[str, float]], recipe: Recipe) -> str:
    last, before = curve[-1], curve[max(0, len(curve) - 11)]
    rate = (last["tokens"] - before["tokens"]) / max(1e-9, last["seconds"] - before["seconds"])
    mean = sum(row["loss"] for row in curve[-10:]) / len(curve[-10:])
    left = (recipe.steps - last["step"]) * recipe.batch_tokens / max(rate, 1e-9)
    return f"step {last['step']:>6} loss {mean:.4f} {rate:>10,.0f} tokens/s, {last['seconds']:.0f} s, {left:.0f} s left"


def _check(model: Model, loss: float) -> None:
    for name, p in model.named_parameters():
        for what, value in (("weight", p), ("gradient", p.grad)):
            if value is not None and not value.isfinite().all():
                raise Diverged(f"the {what} of {name} is not finite")
    if not np.isfinite(loss):
        raise Diverged(f"the loss is {loss}")


def _save(model: Model, recipe: Recipe, curve: list[dict[str, float]], out: Path) -> dict[str, Any]:
    _check(model, curve[-1]["loss"])
    record = {"recipe": asdict(recipe), **{key: curve[-1][key] for key in ("step", "tokens", "seconds")}}
    record["device"] = torch.cuda.get_device_name() if model.device.type == "cuda" else "cpu"
    record["torch"] = torch.__version__
    checkpoint.save(model, out, record)
    with open(out / "curve.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, list(curve[0]))
        writer.writeheader()
        writer.writerows(curve)
    return record
