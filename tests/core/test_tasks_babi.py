"""bAbI stories in prose: which statements stand before which question, and files that are not bAbI."""

import re

import numpy as np
import pytest

from titans_core import assets
from titans_core.errors import ConfigError
from titans_core.tasks import Prose, Role, TaskSource

NAMES = ("single-supporting-fact", "two-supporting-facts", "three-supporting-facts", "two-arg-relations", "three-arg")
STORY = [
    "1 Anna moved to the bathroom.",
    "2 Piet went to the hallway.",
    "3 Where is Anna? \tbathroom\t1",
    "4 Anna went to the kitchen.",
    "5 What did Anna see? \tapple,milk\t4",
]


@pytest.fixture
def folder(tmp_path):
    for number, name in enumerate(NAMES, 1):
        for split in ("train", "test"):
            lines = [line.replace("Anna", f"{split.title()}{'abcde'[number - 1]}") for line in STORY]
            (tmp_path / f"qa{number}_{name}_{split}.txt").write_text("\n".join(lines) + "\n", "utf-8")
    return tmp_path


@pytest.fixture
def make(tokenizer):
    ids = tokenizer.encode((assets.ROOT / "samples" / "weather-ship.txt").read_text("utf-8")).ids
    return lambda split, folder: TaskSource(tokenizer, split, Prose(ids, tokenizer), folder)


def test_a_test_holds_the_statements_before_its_question_in_order(make, folder, tokenizer) -> None:
    source, seen = make("test", folder), set()
    for seed in range(40):
        episode = source.test("babi2", np.random.default_rng(seed), 500)
        told = tokenizer.decode(episode.ids[episode.role == Role.FACT])
        asked = tokenizer.decode(episode.ids[episode.role >= Role.QUESTION])
        seen.add((told, asked, episode.answers))
    start = " Testb moved to the bathroom. Piet went to the hallway."
    assert seen == {
        (start, "\nWhere is Testb? Answer: bathroom", ("bathroom",)),
        (start + " Testb went to the kitchen.", "\nWhat did Testb see? Answer: apple, milk", ("apple", "milk")),
    }


def test_training_asks_between_the_statements(make, folder, tokenizer) -> None:
    source = make("train", folder)
    for seed in range(40):
        episode = source.train("babi1", np.random.default_rng(seed), 500)
        story = tokenizer.decode(episode.ids[episode.role != Role.TEXT])
        first = " Traina moved to the bathroom. Piet went to the hallway.\nWhere is Traina? Answer: bathroom."
        assert story in (first, first + " Traina went to the kitchen.\nWhat did Traina see? Answer: apple, milk.")


def test_long_training_texts_hold_several_stories(make, folder, tokenizer) -> None:
    episode = make("train", folder).train("babi", np.random.default_rng(1), 5000)
    stories = tokenizer.decode(episode.ids[episode.role != Role.TEXT]).split(" Here a new story begins.")
    assert len(stories) == 4
    assert all(re.match(r" Train[a-e] moved to the bathroom\.", story) for story in stories)


def test_the_mixed_task_asks_all_five(make, folder, tokenizer) -> None:
    source = make("test", folder)
    texts = [tokenizer.decode(source.test("babi", np.random.default_rng(s), 400).ids) for s in range(60)]
    assert {re.search("Test([a-e])", text)[1] for text in texts} == set("abcde")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1 Anna moved.\nno number\n", "line 2 is not a line of bAbI: 'no number'"),
        ("1 Where is Anna? \tbathroom\t1\n", "a question before any statement"),
        ("1 Anna moved.\n", "holds no question"),
    ],
)
def test_files_that_are_not_babi_are_named(content, message, make, folder) -> None:
    (folder / f"qa3_{NAMES[2]}_train.txt").write_text(content, "utf-8")
    with pytest.raises(ConfigError, match=rf"qa3_.*{message}"):
        make("train", folder)
    make("test", folder)


def test_a_test_takes_a_story_that_fits(make, folder, tokenizer) -> None:
    long = [f"{n} Anna went to the kitchen." for n in range(1, 60)]
    story = "\n".join([*STORY, *long, "60 Where is Anna? \tkitchen\t59", ""])
    (folder / f"qa3_{NAMES[2]}_test.txt").write_text(story, "utf-8")
    source = make("test", folder)
    assert all(len(source.test("babi3", np.random.default_rng(seed), 100)) == 100 for seed in range(30))
    with pytest.raises(ConfigError, match="length is 15"):
        source.test("babi3", np.random.default_rng(1), 15)
