"""What a training is fed: windows of the stream, generated tasks, and what each token is worth."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from titans_core import assets
from titans_core.errors import ConfigError
from titans_core.tasks import Prose, Role, TaskSource
from titans_core.tokenizer import Tokenizer
from titans_core.training.batches import Batch, Part, StageBatches
from titans_core.training.recipe import Recipe

NUMBERS = np.arange(4000, dtype=np.uint16)  # a token tells where it stands


def recipe(**changes) -> Recipe:
    return Recipe(**{"steps": 30, "batch_tokens": 128, "stages": ((0.5, 16), (0.5, 32)), **changes})


def with_tasks(**changes) -> Recipe:
    tasks = (("passkey", 1.0), ("recall", 3.0), ("copy", 0.0))
    return recipe(**{"batch_tokens": 640, "stages": ((1.0, 64),), "task_share": 0.4, "tasks": tasks, **changes})


@pytest.fixture(scope="module")
def stream(tokenizer: Tokenizer) -> np.ndarray:
    texts = [(assets.ROOT / "samples" / f"{name}.txt").read_text("utf-8") for name in ("weather-ship", "drying-oak")]
    return np.concatenate([np.append(x, tokenizer.separator) for x in tokenizer.encode_ids(texts)]).astype(np.uint16)


@pytest.fixture(scope="module")
def source(stream: np.ndarray, tokenizer: Tokenizer) -> TaskSource:
    return TaskSource(tokenizer, "train", Prose(stream, tokenizer))


def starts(batches: StageBatches, steps: range) -> list[int]:
    return [int(start) for i in steps for start in batches[i].ids[:, 0]]


def equal(one: Batch, two: Batch) -> bool:
    return all(map(torch.equal, one, two))


def test_windows_are_runs_of_the_stream_without_replacement() -> None:
    batches = StageBatches(NUMBERS[:1000], None, recipe(), 0)
    assert len(batches) == 15
    for i in range(14):
        ids, role, weight = batches[i]
        assert (ids.dtype, role.dtype, weight.dtype) == (torch.int32, torch.uint8, torch.float32)
        assert (ids.shape, role.shape, weight.shape) == ((8, 17), (8, 16), (8, 16))
        assert (ids[:, 1:] == ids[:, :-1] + 1).all()
        assert not role.any()
    places = starts(batches, range(14))
    size = 999 // 16 - 1
    first, second = places[:size], places[size:]
    assert len(set(first)) == len(first)
    assert len(set(second)) == len(second)
    assert len({start % 16 for start in first}) == 1
    assert sorted(first) != first, "windows come shuffled"
    assert {start % 16 for start in second} != {start % 16 for start in first}, "each tiling has its own phase"


def test_the_windows_of_two_stages_and_two_seeds_differ() -> None:
    def first(stage: int = 0, **changes: int) -> list[int]:
        return starts(StageBatches(NUMBERS, None, recipe(**changes), stage), range(1))

    assert first() == first()
    assert first(seed=2) != first(seed=1)
    assert first(stage=1)[:4] != first()[:4]


def test_the_tasks_of_two_stages_and_two_seeds_differ(stream: np.ndarray, source: TaskSource) -> None:
    def first(stage: int, **changes: int) -> Batch:
        return StageBatches(stream, source, with_tasks(stages=((0.5, 64), (0.5, 64)), **changes), stage)[0]

    assert equal(first(0), first(0))
    for other in (first(1), first(0, seed=2)):
        assert not any(torch.equal(a, b) for a, b in zip(first(0).ids, other.ids, strict=True))


def test_the_stream_is_used_up_to_a_window_from_its_end_and_never_passed() -> None:
    seen = set()
    for seed in range(40):
        batches = StageBatches(NUMBERS[:70], None, recipe(batch_tokens=32, seed=seed), 0)
        for i in range(4):
            ids = batches[i].ids
            assert (ids[:, 1:] == ids[:, :-1] + 1).all(), "a run of the stream, not past its end"
            seen |= set(ids.flatten().tolist())
    assert min(seen) == 0
    assert seen >= set(range(70 - 16))


@pytest.mark.parametrize("length", [17, 32, 100])
def test_every_batch_is_full_on_a_stream_of_hardly_more_than_a_batch(length: int) -> None:
    size = 100 // length * length
    many = recipe(batch_tokens=size, stages=((1.0, length),))
    batches = StageBatches(NUMBERS[: size + 2], None, many, 0)
    for i in range(30):
        ids = batches[i].ids
        assert ids.shape == (100 // length, length + 1)
        assert (ids[:, 1:] == ids[:, :-1] + 1).all()


def test_a_batch_is_a_function_of_its_number_alone(stream: np.ndarray, source: TaskSource) -> None:
    def make() -> StageBatches:
        return StageBatches(stream, source, with_tasks(), 0)

    forward, backward = make(), make()
    wanted = [forward[i] for i in range(30)]
    found = {i: backward[i] for i in (29, 3, 17, 3, 0, 28)}
    assert all(equal(wanted[i], batch) for i, batch in found.items())
    assert not any(equal(a, b) for a, b in itertools.pairwise(wanted))


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_any_number_of_workers_makes_the_same_batches(workers: int, stream: np.ndarray, source: TaskSource) -> None:
    batches = StageBatches(stream, source, with_tasks(steps=9), 0)
    loaded = list(batches.loader(4, workers))
    assert len(loaded) == 5
    for i, batch in enumerate(loaded, 4):
        assert isinstance(batch, Batch)
        assert equal(batch, batches[i])


def test_processes_share_the_rows_of_a_batch(stream: np.ndarray, source: TaskSource) -> None:
    whole = StageBatches(stream, source, with_tasks(), 0)[7]
    for world in (2, 5):
        parts = [StageBatches(stream, source, with_tasks(), 0, Part(rank, world))[7] for rank in range(world)]
        for rank, part in enumerate(parts):
            assert equal(part, Batch(*(x[rank::world] for x in whole)))
        assert sum(part.weight.sum().item() for part in parts) == pytest.approx(1, abs=1e-5)
    with pytest.raises(ConfigError, match="a batch of 10 windows cannot be shared by 3 processes"):
        StageBatches(stream, source, with_tasks(), 0, Part(0, 3))


def test_tasks_come_in_the_share_and_by_the_weights_asked_for(
    stream: np.ndarray, source: TaskSource, tokenizer
) -> None:
    batches = StageBatches(stream, source, with_tasks(), 0)
    texts = []
    for i in range(30):
        tasks = (batches[i].role == Role.ANSWER).any(1)
        assert tasks.tolist() == [False] * 6 + [True] * 4
        texts += [tokenizer.decode(row) for row in batches[i].ids[6:].numpy()]
    passkeys = sum("The grass is green" in text or "Here we go" in text for text in texts)
    assert 0.13 < passkeys / len(texts) < 0.38, "one in four"
    plain = StageBatches(stream, None, with_tasks(task_share=0.0, tasks=()), 0)[0]
    assert not plain.role.any()
    everything = StageBatches(stream, source, with_tasks(task_share=1.0), 0)[0]
    assert (everything.role == Role.ANSWER).any(1).all()


def test_roles_are_those_of_the_token_that_is_to_come(stream: np.ndarray, source: TaskSource) -> None:
    batches = StageBatches(stream, source, with_tasks(tasks=(("recall", 1.0),), task_share=1.0), 0)
    rng = np.random.default_rng((batches.recipe.seed, 1, 5, 0))
    rng.choice(1, p=[1.0])  # the draw of the task
    episode = source.train("recall", rng, 65)
    batch = batches[5]
    np.testing.assert_array_equal(batch.ids[0], episode.ids)
    np.testing.assert_array_equal(batch.role[0], episode.role[1:])


@pytest.mark.parametrize(("answer", "fact"), [(1.0, 1.0), (5.0, 0.1), (0.0, 2.0), (3.0, 0.0)])
def test_a_token_counts_by_its_role(answer: float, fact: float, stream: np.ndarray, source: TaskSource) -> None:
    batch = StageBatches(stream, source, with_tasks(answer_weight=answer, fact_weight=fact), 0)[3]
    assert batch.weight.sum().item() == pytest.approx(1, abs=1e-6)
    worth = {Role.TEXT: 1.0, Role.FACT: fact, Role.QUESTION: fact, Role.ANSWER: answer}
    one = batch.weight[0, 0].item()  # of a window of text
    for role, value in worth.items():
        weights = batch.weight[batch.role == role]
        assert len(weights), f"no {role.name} in this batch"
        np.testing.assert_allclose(weights, value * one, rtol=1e-5)


def test_what_cannot_be_made_is_refused(stream: np.ndarray) -> None:
    with pytest.raises(ConfigError, match="no source of tasks"):
        StageBatches(stream, None, with_tasks(), 0)
    with pytest.raises(ConfigError, match="the corpus has 129 tokens; one batch needs 129"):
        StageBatches(stream[:129], None, recipe(), 0)
