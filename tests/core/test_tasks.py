"""Generated tasks: what every episode of every task keeps to, in training and in testing."""

from pathlib import Path

import numpy as np
import pytest

from titans_core import assets
from titans_core.errors import ConfigError
from titans_core.tasks import TASKS, Episode, Prose, Role, TaskSource

NEEDLES = ("passkey", "number", "word", "uuid", "multikey", "multivalue", "multiquery")
BABI_FILES = {
    "qa1_single-supporting-fact": [
        "1 Anna moved to the bathroom.",
        "2 Piet went to the hallway.",
        "3 Where is Anna? |bathroom|1",
        "4 Anna went back to the {place}.",
        "5 Where is Anna? |{place}|4",
        "1 Piet travelled to the office.",
        "2 Where is Piet? |office|1",
    ],
    "qa2_two-supporting-facts": [
        "1 Anna got the milk.",
        "2 Anna went to the {place}.",
        "3 Where is the milk? \t{place}\t1 2",
    ],
    "qa3_three-supporting-facts": [
        "1 Anna got the milk.",
        "2 Anna went to the office.",
        "3 Anna went to the {place}.",
        "4 Where was the milk before the {place}? \toffice\t1 2 3",
    ],
    "qa4_two-arg-relations": ["1 The office is north of the {place}.", "2 What is north of the {place}?\toffice\t1"],
    "qa5_three-arg-relations": ["1 Anna gave the milk to Piet.", "2 Who received the milk? \tPiet\t1"],
}


@pytest.fixture(scope="module")
def babi(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("babi")
    for split, place in (("train", "kitchen"), ("test", "garden")):
        for name, lines in BABI_FILES.items():
            (folder / f"{name}_{split}.txt").write_text("\n".join(lines).format(place=place) + "\n", "utf-8")
    return folder


@pytest.fixture(scope="module")
def prose(tokenizer) -> Prose:
    texts = [(assets.ROOT / "samples" / f"{name}.txt").read_text("utf-8") for name in ("weather-ship", "drying-oak")]
    separator = [tokenizer.separator]
    return Prose(np.concatenate([np.append(ids, separator) for ids in tokenizer.encode_ids(texts)]), tokenizer)


@pytest.fixture(scope="module")
def sources(tokenizer, prose, babi) -> dict[str, TaskSource]:
    return {split: TaskSource(tokenizer, split, prose, babi) for split in ("train", "test")}


def rng(*seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def check(episode: Episode, tokenizer, task: str, length: int) -> None:
    """What holds for every episode."""
    assert episode.task == task
    assert len(episode) == len(episode.role) == length
    assert episode.ids.dtype == np.int32
    assert episode.role.dtype == np.uint8
    assert episode.ids.min() >= 0
    assert episode.ids.max() < tokenizer.separator
    text = tokenizer.decode(episode.ids)
    assert "\ufffd" not in text
    np.testing.assert_array_equal(tokenizer.encode(text).ids, episode.ids, err_msg="composed otherwise than encoded")
    answers = [tokenizer.decode(episode.ids[a:b]).strip() for a, b in episode.spans()]
    assert tuple(answers) == episode.answers
    assert answers


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("task", TASKS)
def test_training_texts_have_the_length_and_encode_as_they_read(task, split, sources, tokenizer) -> None:
    for seed, length in enumerate((128, 129, 200, 511, 1024, 1024, 1024, 3000)):
        check(sources[split].train(task, rng(seed), length), tokenizer, task, length)


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("task", TASKS)
def test_tests_have_the_length_and_encode_as_they_read(task, split, sources, tokenizer) -> None:
    for seed, length in enumerate((300, 301, 1024, 1025, 5000)):
        for depth in (None, 0.0, 0.4, 1.0):
            for absent in (False, True):
                episode = sources[split].test(task, rng(seed), length, depth=depth, absent=absent)
                check(episode, tokenizer, task, length)
                assert episode.role[-1] == Role.ANSWER
                assert bool((episode.role == Role.FACT).any()) or absent


@pytest.mark.parametrize("task", TASKS)
def test_the_same_seed_gives_the_same_episode_and_another_another(task, sources) -> None:
    for make in (sources["train"].train, sources["test"].test):
        a, b, other = make(task, rng(3), 700), make(task, rng(3), 700), make(task, rng(4), 700)
        np.testing.assert_array_equal(a.ids, b.ids)
        np.testing.assert_array_equal(a.role, b.role)
        assert a.answers == b.answers
        assert not np.array_equal(a.ids, other.ids)


@pytest.mark.parametrize("task", [t for t in TASKS if not t.startswith("babi") and t != "tracking"])
def test_an_answer_of_training_stands_in_a_fact_before_its_question(task, sources, tokenizer) -> None:
    for seed in range(20):
        episode = sources["train"].train(task, rng(seed), 1024)
        for (start, _), answer in zip(episode.spans(), episode.answers, strict=True):
            before = np.where(episode.role == Role.FACT, episode.ids, tokenizer.separator)[:start]
            assert answer in tokenizer.decode(before)


@pytest.mark.parametrize("task", ["passkey", "number", "word", "copy", "tracking", "babi3"])
def test_the_facts_asked_for_stand_at_the_depth(task, sources) -> None:
    length = 6000
    for depth in (0.0, 0.25, 0.5, 0.9, 1.0):
        for seed in range(5):
            role = sources["test"].test(task, rng(seed), length, depth=depth).role
            first = int(np.flatnonzero(role == Role.FACT)[0])
            intro = 30 if task in NEEDLES else 0
            question = int((role >= Role.QUESTION).sum())
            haystack = length - intro - question - int((role == Role.FACT).sum())
            assert abs((first - intro) - depth * haystack) < 160, "the nearest sentence"


def test_any_depth_is_as_likely(sources) -> None:
    at = [np.flatnonzero(sources["test"].test("number", rng(s), 4000).role == Role.FACT)[0] for s in range(300)]
    parts = np.histogram(at, bins=4, range=(0, 4000))[0]
    assert parts.min() > 45


@pytest.mark.parametrize("task", TASKS)
def test_an_absent_fact_is_absent(task, sources, tokenizer) -> None:
    for seed in range(10):
        episode = sources["test"].test(task, rng(seed), 900, absent=True)
        told = tokenizer.decode(episode.ids[episode.role == Role.FACT])
        assert not any(answer in told for answer in episode.answers)
        present = sources["test"].test(task, rng(seed), 900)
        assert present.answers == episode.answers, "the same question of the same seed"
        assert (present.role == Role.FACT).sum() > (episode.role == Role.FACT).sum()
        assert bool(told) == (task in ("multikey", "recall")), "facts about other keys stay"


def test_a_test_without_a_haystack_is_facts_and_question(sources, tokenizer) -> None:
    for task in TASKS:
        episode = sources["test"].test(task, rng(1), 0)
        check(episode, tokenizer, task, len(episode))
        if task not in NEEDLES:
            assert not (episode.role == Role.TEXT).any()


def test_a_million_tokens_need_no_more_prose_than_there_is(sources, tokenizer) -> None:
    for task in ("passkey", "number", "recall"):
        episode = sources["test"].test(task, rng(2), 1_000_000, depth=0.3)
        assert len(episode) == 1_000_000
        first = int(np.flatnonzero(episode.role == Role.ANSWER)[0])
        assert tokenizer.decode(episode.ids[first:]).strip() == episode.answers[0]


def test_number_answers_are_seven_digits_each_a_token(sources) -> None:
    for task in ("passkey", "number", "multikey", "multivalue", "multiquery"):
        episode = sources["test"].test(task, rng(5), 600)
        assert all(b - a == 7 for a, b in episode.spans())
        assert len(episode.answers) == (4 if task in ("multivalue", "multiquery") else 1)


def test_what_a_task_needs_is_named(tokenizer, prose, tmp_path) -> None:
    bare = TaskSource(tokenizer, "train", None)
    assert len(bare.train("passkey", rng(1), 256)) == len(bare.train("recall", rng(1), 256)) == 256
    told = TaskSource(tokenizer, "train", prose)
    for source, task, needed in ((bare, "number", "Prose"), (told, "babi", "babi="), (told, "nedle", "passkey")):
        for make in (source.train, source.test):
            with pytest.raises(ConfigError, match=needed):
                make(task, rng(1), 256)
    with pytest.raises(ConfigError, match=r"qa1_\*_train\.txt"):
        TaskSource(tokenizer, "train", prose, tmp_path)
    with pytest.raises(ConfigError, match="train, validation, test"):
        TaskSource(tokenizer, "testing", prose)  # type: ignore[arg-type]


def test_lengths_and_depths_that_cannot_be_are_refused(sources) -> None:
    with pytest.raises(ConfigError, match="20 tokens cannot hold"):
        sources["train"].train("number", rng(1), 20)
    with pytest.raises(ConfigError, match="length is 40"):
        sources["test"].test("number", rng(1), 40)
    with pytest.raises(ConfigError, match="length is 0"):
        sources["test"].test("number", rng(1), 0, absent=True)
    with pytest.raises(ConfigError, match=r"depth is 1\.5"):
        sources["test"].test("number", rng(1), 400, depth=1.5)
