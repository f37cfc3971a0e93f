"""The training loop: stages of growing windows, saved every minute, stopped and resumed at any step."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch

from titans_core import checkpoint
from titans_core.model import Model
from titans_core.tasks import TaskSource
from titans_core.training.batches import Batch, Part, StageBatches
from titans_core.training.guard import Guard
from titans_core.training.logs import Logs, Row
from titans_core.training.optimizer import Optimizers, schedule
from titans_core.training.processes import check_alike, largest
from titans_core.training.recipe import Recipe
from titans_core.training.shards import whole
from titans_core.training.state import restore_state, save_state
from titans_core.training.step import TrainStep

LOOK = 20  # steps between looks at the loss: each look waits for the GPU
SAVE = 60.0  # seconds
COMPILE_FROM = 1200  # steps of a stage: compiling takes as long as it saves on about so many
COMPILE_MAC_FROM = 300  # of its many small segments it saves more


class Training:
    """One training of `model`, in place. `run` may be stopped by a signal, by time or by a loss that is not finite.

    stream: uint16 (N,), the corpus' token ids. out: the checkpoint folder; None in processes that only help.
    resume: go on from the state saved in `out`. Raises ConfigError for a stream shorter than one batch.
    """

    def __init__(
        self,
        model: Model,
        stream: np.ndarray,
        source: TaskSource | None,
        recipe: Recipe,
        out: Path | None,
        *,
        part: Part = Part(),  # noqa: B008 (immutable)
        resume: Path | None = None,
        workers: int = 0,
    ) -> None:
        self.model, self.recipe, self.out, self.part, self.workers = model, recipe, out, part, workers
        self.stages = [StageBatches(stream, source, recipe, i, part) for i in range(len(recipe.plan()))]
        self.optimizers = Optimizers(model, matrix_rate=recipe.matrix_rate, other_rate=recipe.other_rate)
        self.identity = {"model": model.config.digest, "recipe": _plain(recipe), "corpus_tokens": len(stream)}
        self.step, self.seconds = 0, 0.0
        rows: list[Row] = []
        if resume is not None:
            record = restore_state(resume, model, self.optimizers, self.identity)
            self.step, self.seconds, rows = record["step"], record["seconds"], record["curve"]
        check_alike({**self.identity, "step": self.step})
        self.logs = Logs(out, model.config.variant, recipe.steps, rows)
        self.guard = Guard(model, self.optimizers)
        self.guard.keep(self.step)
        self._rates: list[float] = []  # since the guard's last good state
        self._stop, self._asked = "", ""  # why it stops; what a signal asked for since the last look

    def run(self) -> dict[str, Any]:
        """Train to the end; returns what config.json tells of the training.

        Raises Diverged where a loss or weight is not finite, after saving the last good state.
        """
        self._clock = time.monotonic() - self.seconds
        self._saved = self.seconds
        try:
            with self._stopped_by_signal():
                for stage in self.stages:
                    begin = self.step - stage.first
                    if 0 <= begin < stage.steps and not self._stop:
                        self._stage(stage, begin)
                return self.save()
        finally:
            self.logs.close()

    @property
    def stopped(self) -> str:
        """Why the training ended before its last step; empty if it did not."""
        return self._stop

    def _stage(self, stage: StageBatches, begin: int) -> None:
        train: TrainStep | None = None
        for batch in stage.loader(begin, self.workers):
            if train is None:
                least = COMPILE_MAC_FROM if self.model.config.variant == "mac" else COMPILE_FROM
                compiled = stage.steps - begin >= least
                longest = max(length for length, _ in self.recipe.plan())
                cost = self.recipe.write_cost * (stage.length / longest) ** 2
                train = TrainStep(
                    self.model,
                    self.optimizers,
                    batch,
                    write_cost=cost,
                    lasting=self.recipe.lasting,
                    compiled=compiled,
                )
            fraction = schedule(self._done())
            stats = train(batch, fraction)
            self._rates.append(fraction)
            self.step += 1
            last = self.step == stage.first + stage.steps  # what the guard repeats lies in one stage
            if self.step % LOOK == 0 or last or largest(bool(self._asked))[0]:
                self._look(stage, stats, train)
            if self._stop:
                return

    def _look(self, stage: StageBatches, stats: torch.Tensor, train: TrainStep) -> None:
        loss, text, answer = train.figures(stats)
        if not self.guard.finite(loss):
            self._diverged(stage, train)
        self._agree()
        self.logs.add(
            {
                "step": self.step,
                "tokens": self.step * self.recipe.batch_tokens,
                "window": stage.length,
                "loss": round(loss, 5),
                "text": round(text, 5) if math.isfinite(text) else 0.0,
                "answer": round(answer, 5) if math.isfinite(answer) else 0.0,
                "seconds": round(self.seconds, 2),
            }
        )
        self.guard.keep(self.step)
        self._rates = []
        if self.seconds > 60 * self.recipe.max_minutes:
            self._stop = self._stop or f"{self.recipe.max_minutes:g} minutes are over"
        if not self._stop and self.seconds - self._saved > SAVE:
            self.save()

    def _agree(self) -> None:
        """The time, and whether to stop: the same in all processes, or one would wait for the others for ever."""
        self.seconds, stop = largest(time.monotonic() - self._clock, bool(self._asked))
        self._stop = self._asked or ("another process was stopped" if stop else "")

    def _diverged(self, stage: StageBatches, train: TrainStep) -> None:
        begin = self.guard.step - stage.first
        batches: Iterator[Batch] = (stage[i] for i in range(max(0, begin), self.step - stage.first))
        error = self.guard.explain(zip(islice(batches, len(self._rates)), self._rates, strict=False), train)
        self.step = self.guard.step
        self.save()
        raise error

    def _done(self) -> float:
        """Fraction of the training: of its steps, or of its time if at this speed the time will not do."""
        of_steps = self.step / self.recipe.steps
        seconds = time.monotonic() - self._clock if self.part.world == 1 else self.seconds  # all go at one rate
        of_time = seconds / (60 * self.recipe.max_minutes)
        return max(of_steps, of_time) if of_time > 0.5 else of_steps  # a slow start alone changes nothing

    def save(self) -> dict[str, Any]:
        """Write checkpoint, state and curve to `out`; returns what config.json tells of the training.

        Every process must call it."""
        self._saved = self.seconds
        record = {
            "recipe": _plain(self.recipe),
            "step": self.step,
            "tokens": self.step * self.recipe.batch_tokens,
            "seconds": round(self.seconds, 2),
            "device": torch.cuda.get_device_name() if self.model.device.type == "cuda" else "cpu",
            "torch": torch.__version__,
        }
        state = {**self.identity, "step": self.step, "seconds": self.seconds, "curve": self.logs.rows}
        save_state(self.out, self.model, self.optimizers, state)
        weights = {name: whole(t.detach()) for name, t in self.model.state_dict().items()}
        if self.out is not None:
            checkpoint.save(self.model, self.out, record, weights)
            self.logs.write()
        return record

    @contextmanager
    def _stopped_by_signal(self) -> Iterator[None]:
        def stop(number: int, _: FrameType | None) -> None:
            self._asked = f"{signal.Signals(number).name} came"

        before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _plain(recipe: Recipe) -> dict[str, Any]:
    """As it looks after a round trip through JSON."""
    return {k: [list(x) for x in v] if isinstance(v, tuple) else v for k, v in recipe.to_dict().items()}
