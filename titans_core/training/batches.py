"""Batches of a training: windows of the corpus and generated tasks. Batch s is a function of recipe and s alone."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from titans_core.errors import ConfigError
from titans_core.tasks import Role, TaskSource
from titans_core.training.recipe import Recipe

STOPS = (signal.SIGTERM, signal.SIGINT)  # may go to the whole group: the training ends its workers itself


class Batch(NamedTuple):
    """ids: int32 (B, L+1); role: uint8 (B, L), of the token after each; weight: float32 (B, L), adding up to 1 over
    the rows of all processes."""

    ids: Tensor
    role: Tensor
    weight: Tensor


class Part(NamedTuple):
    """Which rows of every batch this process takes: rank, rank + world, ..."""

    rank: int = 0
    world: int = 1


class StageBatches(Dataset[Batch]):
    """The batches of one stage; index i is the stage's i-th step."""

    def __init__(
        self,
        stream: np.ndarray,
        source: TaskSource | None,
        recipe: Recipe,
        stage: int,
        part: Part = Part(),  # noqa: B008 (immutable)
    ) -> None:
        if len(stream) <= recipe.batch_tokens + 1:
            raise ConfigError(f"the corpus has {len(stream):,} tokens; one batch needs {recipe.batch_tokens + 1:,}")
        plan = recipe.plan()
        self.length, self.steps = plan[stage]
        self.first = sum(steps for _, steps in plan[:stage])
        self.stream, self.source, self.recipe, self.stage, self.part = stream, source, recipe, stage, part
        self.rows = recipe.batch_tokens // self.length
        self.task_rows = round(recipe.task_share * self.rows)
        if self.rows % part.world:
            raise ConfigError(
                f"a batch of {self.rows} windows cannot be shared by {part.world} processes; make batch_tokens a "
                f"multiple of {part.world * self.length:,}"
            )
        if self.task_rows and source is None:
            raise ConfigError("the recipe has tasks, but no source of tasks was given")
        weights = np.array([weight for _, weight in recipe.tasks] or [1.0])
        self._names = [name for name, _ in recipe.tasks]
        self._chances = weights / weights.sum()
        self._tiling: tuple[int, np.ndarray] = (-1, np.empty(0, np.int64))
        by_role = {Role.TEXT: 1.0, Role.ANSWER: recipe.answer_weight}
        self._worth = np.array([by_role.get(role, recipe.fact_weight) for role in Role], np.float32)

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> Batch:
        ids = np.empty((self.rows, self.length + 1), np.int32)
        role = np.zeros((self.rows, self.length + 1), np.uint8)
        texts = self.rows - self.task_rows
        for row in range(texts):
            start = self._start(step * texts + row)
            ids[row] = self.stream[start : start + self.length + 1]
        for row in range(texts, self.rows):
            rng = np.random.default_rng((self.recipe.seed, 1, self.first + step, row))
            name = self._names[rng.choice(len(self._names), p=self._chances)]
            episode = self.source.train(name, rng, self.length + 1)  # type: ignore[union-attr]
            ids[row], role[row] = episode.ids, episode.role
        weight = self._worth[role[:, 1:]]
        weight /= weight.sum()
        mine = slice(self.part.rank, None, self.part.world)
        return Batch(*(torch.from_numpy(np.ascontiguousarray(x[mine])) for x in (ids, role[:, 1:], weight)))

    def _start(self, index: int) -> int:
        """Where the index-th window begins: shuffled tilings of the stream, each with a phase of its own."""
        size = (len(self.stream) - 1) // self.length - 1  # windows that fit at any phase
        size = max(size, 1)
        tiling, place = divmod(index, size)
        if self._tiling[0] != tiling:
            rng = np.random.default_rng((self.recipe.seed, 0, self.stage, tiling))
            last = len(self.stream) - 1 - size * self.length  # the largest phase
            phase = rng.integers(min(self.length, last) + 1)
            self._tiling = (tiling, phase + self.length * rng.permutation(size))
        return int(self._tiling[1][place])

    def loader(self, begin: int, workers: int) -> Iterator[Batch]:
        """Batches begin, begin+1, ... of the stage, made ahead by `workers` processes (0: in this one)."""
        loader = DataLoader(
            self,
            batch_size=None,
            sampler=range(begin, self.steps),
            num_workers=min(workers, self.steps - begin),
            pin_memory=torch.cuda.is_available(),
            worker_init_fn=_quiet if workers else None,
            prefetch_factor=4 if workers else None,
        )
        before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)  # what comes before a worker ignores it, it never sees
        try:
            return iter(loader)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _quiet(_: int) -> None:
    for number in STOPS:
        signal.signal(number, signal.SIG_IGN)
    torch.set_num_threads(1)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # one process a core is parallel enough
