"""The processes that torchrun starts for one training, and what they ask each other. One alone waits for nobody."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from titans_core.checkpoint import pick_device
from titans_core.errors import ConfigError, TitansError
from titans_core.training.batches import Part

PATIENCE = timedelta(minutes=10)  # with a process that sends nothing: one may compile for minutes while others wait


def join(device: str) -> tuple[Part, torch.device]:
    """This process's part and device ("auto", "cpu" or "cuda"); joins the others where torchrun started it."""
    target = pick_device(device)
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        return Part(), target
    if target.type == "cuda":
        local = int(os.environ["LOCAL_RANK"])
        if local >= torch.cuda.device_count():
            raise ConfigError(
                f"there are {torch.cuda.device_count()} GPUs here, too few for process {local + 1} of this machine; "
                f"give torchrun --nproc-per-node {torch.cuda.device_count()}, or --device cpu"
            )
        target = torch.device("cuda", local)
        torch.cuda.set_device(target)
    # what is on a CPU goes by gloo, on a GPU by NCCL: a question among processes does not wait for the GPU's work
    backend = "cpu:gloo,cuda:nccl" if target.type == "cuda" else "gloo"
    store, rank, _ = next(dist.rendezvous("env://", timeout=PATIENCE))
    if os.environ.get("LOCAL_WORLD_SIZE") == str(world):
        # torchrun keeps one store through its restarts, with the addresses of processes that are gone; where there
        # are several machines each counts its own restarts, so there this would part them
        store = dist.PrefixStore(f"start {_restarts()}", store)
    dist.init_process_group(backend, store=store, rank=rank, world_size=world, timeout=PATIENCE)
    return Part(rank, world), target


def leave() -> None:
    """Leave the other processes once all are done: where one ends early, torchrun may end the one that still saves."""
    if dist.is_initialized():
        largest(0.0)
        dist.destroy_process_group()


def restarted() -> bool:
    """Whether torchrun started the processes again after one had failed (its --max-restarts)."""
    return _restarts() > 0


def _restarts() -> int:
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))


def world_size() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def largest(*values: float) -> list[float]:
    """Of each value the largest that any process gave. Every process must call it."""
    if world_size() == 1:
        return list(values)
    mine = torch.tensor(values, dtype=torch.float64)
    dist.all_reduce(mine, dist.ReduceOp.MAX)
    return mine.tolist()


def first(found: str | None) -> str | None:
    """What the first process found that found anything. Every process must call it."""
    return next(filter(None, _all_of(found)), None)


def check_alike(facts: dict[str, Any]) -> None:
    """Raises ConfigError, naming the first fact, where the processes do not begin with the same ones."""
    for rank, theirs in enumerate(_all_of(facts)):
        for name, value in facts.items():
            if theirs[name] != value:
                raise ConfigError(
                    f"process {rank} begins with {name} {theirs[name]}, another with {value}; all need the same "
                    "command and data, and --out in a folder that all of them see"
                )


@contextmanager
def lost_others() -> Iterator[None]:
    """Raises TitansError, instead of what gloo or NCCL say, where another process has ended or does not answer."""
    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, dist.DistError) and "gloo" not in str(error).lower():
            raise
        said = str(error).partition("\n")[0].partition(". ")[0]
        raise TitansError(
            f"another process of this training ended or does not answer ({said}); what was saved last is whole: "
            "the same command with --resume goes on from it"
        ) from None


def _all_of(value: Any) -> list[Any]:
    every = [value] * world_size()
    if len(every) > 1:
        dist.all_gather_object(every, value)
    return every
