"""One of two processes that train together: torchrun runs this file, and test_training.py compares with one process.

All in float64, so that only the order of sums differs.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import sys
from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from titans_core import assets
from titans_core.config import VARIANTS, ModelConfig
from titans_core.model import Model
from titans_core.tasks import Prose, TaskSource
from titans_core.tokenizer import Tokenizer
from titans_core.training.batches import Part, StageBatches
from titans_core.training.guard import Diverged
from titans_core.training.loop import Training
from titans_core.training.optimizer import Optimizers
from titans_core.training.processes import join, leave
from titans_core.training.recipe import Recipe
from titans_core.training.shards import own, shard, whole
from titans_core.training.step import TrainStep

STEPS = 6
RECIPE = Recipe(  # rows of text and of tasks, so that what the two processes count is not the same
    steps=STEPS,
    batch_tokens=384,
    stages=((0.5, 64), (0.5, 96)),
    task_share=0.5,
    tasks=(("passkey", 1.0), ("recall", 1.0)),
    answer_weight=5.0,
    fact_weight=0.1,
    write_cost=0.5,
)
SHAPE = {"dim": 18, "layers": 2, "heads": 3, "ffn": 27, "window": 16, "chunk": 4, "persistent": 3, "memory_depth": 2}


@cache
def data() -> tuple[np.ndarray, TaskSource]:
    tokenizer = Tokenizer.load()
    text = (assets.ROOT / "samples" / "weather-ship.txt").read_text("utf-8")
    stream = np.array(tokenizer.encode_ids([text])[0], np.uint16)
    return stream, TaskSource(tokenizer, "train", Prose(stream, tokenizer))


def model_of(variant: str, seed: int = 3) -> Model:
    """With no parameter at zero: nothing may be hidden by that."""
    torch.manual_seed(seed)
    model = Model(ModelConfig(variant=variant, **SHAPE)).double()
    with torch.no_grad():
        for p in model.parameters():
            p += 0.1 * torch.randn_like(p)
    model.tokenizer = Tokenizer.load()
    return model


def train(out: Path, part: Part, *, parallel: str = "ddp", begin: Path | None = None, until: int = STEPS) -> Training:
    """A training in `out`, from its start or on from a copy of `begin`. The last process is asked to stop at `until`,
    and all of them should."""
    if begin is not None and part.rank == 0:
        shutil.copytree(begin, out)
    if part.world > 1:
        dist.barrier()
    model = model_of("mag", seed=3 if begin is None else 4)  # what is resumed must not depend on what was there before
    if parallel == "fsdp":
        shard(model)
    writes = out if part.rank == 0 else None
    training = Training(model, *data(), RECIPE, writes, part=part, resume=None if begin is None else out)
    update = training.optimizers.update

    def stopping() -> None:
        update()
        if training.step + 1 == until < STEPS and part.rank == part.world - 1:
            os.kill(os.getpid(), signal.SIGTERM)

    training.optimizers.update = stopping  # type: ignore[method-assign]
    training.run()
    return training


def gradients(variant: str, parallel: str, part: Part) -> dict[str, torch.Tensor]:
    """Those of one batch, whole. parallel: "one" for this process alone with the whole batch."""
    alone = parallel == "one"
    batch = StageBatches(*data(), RECIPE, 0, Part() if alone else part)[0]
    model = model_of(variant)
    if parallel == "fsdp":
        shard(model)
    step = TrainStep(model, Optimizers(model, matrix_rate=0.0, other_rate=0.0), batch, write_cost=0.5)
    if alone:
        step.world = 1
    for static, value in zip(step.static, batch, strict=True):
        static.copy_(value)
    if parallel == "torch":
        step.model = DistributedDataParallel(model)  # type: ignore[assignment]
        step.model.device = model.device
    step.backward()
    if parallel == "ddp":
        step._exchange()
    return {name: whole(p.grad) for name, p in model.named_parameters()}  # type: ignore[arg-type]


def apart(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> float:
    assert found.keys() == wanted.keys()
    return max(((found[n] - t).norm() / t.norm()).item() for n, t in wanted.items())


def spoiled(out: Path, part: Part) -> str:
    """What a training says where a weight that only the last process holds becomes infinite in its second step."""
    model = model_of("mag")
    shard(model)
    training = Training(model, *data(), RECIPE, out if part.rank == 0 else None, part=part)
    update = training.optimizers.update

    def spoiling() -> None:
        update()
        count = training.optimizers.adam.state[training.optimizers.others[0]]["step"]
        if count == 2 and part.rank == part.world - 1:
            own(model.get_parameter("blocks.1.feed_forward.up.weight").data)[-1, -1] = math.inf

    training.optimizers.update = spoiling  # type: ignore[method-assign]
    try:
        training.run()
    except Diverged as error:
        return str(error)
    return "nothing"


def main(out: Path) -> None:
    torch.set_num_threads(1)
    part, _ = join("cpu")
    train(out / "ddp", part)
    train(out / "fsdp", part, parallel="fsdp")
    stopped = train(out / "ddp-half", part, until=3).stopped
    train(out / "fsdp-half", part, parallel="fsdp", until=3)
    train(out / "ddp-then-fsdp", part, parallel="fsdp", begin=out / "ddp-half")
    train(out / "fsdp-then-ddp", part, begin=out / "fsdp-half")
    train(out / "one-then-ddp", part, begin=out / "one-half", until=4)
    train(out / "one-then-fsdp", part, parallel="fsdp", begin=out / "one-half", until=4)
    said = {"stopped": stopped, "spoiled": spoiled(out / "spoiled", part), "apart": {}}
    for variant in VARIANTS:
        wanted = gradients(variant, "one", part)
        for parallel in ("ddp", "fsdp", "torch"):
            said["apart"][f"{variant} {parallel}"] = apart(gradients(variant, parallel, part), wanted)
    (out / f"said-{part.rank}.json").write_text(json.dumps(said))
    leave()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
