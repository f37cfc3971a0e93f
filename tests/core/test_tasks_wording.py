"""What tests and training texts say, read back from their decoded text: RULER's wording, keys, values and order."""

import re

import numpy as np
import pytest

from titans_core import assets
from titans_core.tasks import Prose, Role, TaskSource

FACT = re.compile(r" One of the special magic (number|word|uuid)s for (\S+) is: (\S+)\.")
ONE = re.compile(r"What is the special magic (\w+) for (\S+) mentioned in the provided text\? The special magic (\w+) for (\S+) mentioned in the provided text is (\S+)$")  # fmt: skip # noqa: E501
ALL = re.compile(r"\nWhat are all the special magic numbers for (.+) mentioned in the provided text\? The special magic numbers for (.+) mentioned in the provided text are (.+)$")  # fmt: skip # noqa: E501


@pytest.fixture(scope="module")
def stream(tokenizer) -> np.ndarray:
    names = ("weather-ship", "keeper-and-piano", "drying-oak")
    texts = [(assets.ROOT / "samples" / f"{name}.txt").read_text("utf-8") for name in names]
    return np.concatenate([np.append(ids, tokenizer.separator) for ids in tokenizer.encode_ids(texts)]).astype(
        np.uint16
    )


@pytest.fixture(scope="module")
def source(tokenizer, stream) -> TaskSource:
    return TaskSource(tokenizer, "test", Prose(stream, tokenizer))


@pytest.fixture(scope="module")
def train(tokenizer, stream) -> TaskSource:
    return TaskSource(tokenizer, "train", Prose(stream, tokenizer))


def test_keys_can_be_pairs_as_in_ruler(tokenizer, stream) -> None:
    source = TaskSource(tokenizer, "test", Prose(stream, tokenizer), pairs=1.0)
    text = tokenizer.decode(source.test("number", np.random.default_rng(1), 400).ids)
    assert re.fullmatch("[a-z]+-[a-z]+", FACT.findall(text)[0][1])


@pytest.mark.parametrize(("task", "kind"), [("passkey", "number"), ("number", "number"), ("word", "word"), ("uuid", "uuid"), ("multikey", "number")])  # fmt: skip # noqa: E501
def test_a_single_needle_reads_as_ruler_has_it(task, kind, source, tokenizer) -> None:
    for seed in range(20):
        episode = source.test(task, np.random.default_rng(seed), 800)
        text = tokenizer.decode(episode.ids)
        assert text.startswith(
            f"Some special magic {kind}s are hidden within the following text. Make sure to memorize it."
        )
        facts = {key: (k, value) for k, key, value in FACT.findall(text)}
        assert len(facts) == (4 if task == "multikey" else 1)
        asked = ONE.search(text)
        assert asked is not None
        assert asked[1] == asked[3] == kind
        assert asked[2] == asked[4]
        assert facts[asked[2]] == (kind, asked[5]) == (kind, episode.answers[0])
        absent = tokenizer.decode(source.test(task, np.random.default_rng(seed), 800, absent=True).ids)
        assert ONE.search(absent)[0] == asked[0]
        assert asked[2] not in {key for _, key, _ in FACT.findall(absent)}


@pytest.mark.parametrize("task", ["multivalue", "multiquery"])
def test_several_needles_are_asked_for_in_the_plural(task, source, tokenizer) -> None:
    for seed in range(20):
        episode = source.test(task, np.random.default_rng(seed), 800)
        text = tokenizer.decode(episode.ids)
        asked = ALL.search(text)
        assert asked is not None
        assert asked[1] == asked[2]
        keys = asked[1].replace(", and ", ", ").split(", ")
        assert len(keys) == (4 if task == "multiquery" else 1)
        facts = FACT.findall(text)
        assert [v for key in keys for _, k, v in facts if k == key] == list(episode.answers) == asked[3].split(", ")


def test_recall_copy_and_tracking_answer_what_the_text_says(source, tokenizer) -> None:
    for seed in range(20):
        episode = source.test("recall", np.random.default_rng(seed), 700)
        *_, line = (text := tokenizer.decode(episode.ids)).split("\n")
        assert f"\n{line}." in text
        episode = source.test("copy", np.random.default_rng(seed), 700)
        name, words = re.search(r"\nRepeat the list of (\w+): (.+)$", tokenizer.decode(episode.ids)).groups()
        assert f" Here is the list of {name}: {words}." in tokenizer.decode(episode.ids)
        assert episode.answers == (words,)
        episode = source.test("tracking", np.random.default_rng(seed), 700)
        text = tokenizer.decode(episode.ids)
        values: dict[str, str] = {}
        for name, value in re.findall(r"VAR ([A-Z]{5}) = (?:VAR )?(\w+)\.", text):
            values[name] = values.get(value, value)
        asked = re.search(r"assigned the value (\d{5}) in", text)[1]
        assert tuple(name for name, value in values.items() if value == asked) == episode.answers
        assert len(episode.answers) == 5


def test_training_pairs_keys_with_their_values(tokenizer, train) -> None:
    """Over many training texts: a question in RULER's words is answered by the fact of that key before it."""
    seen = 0
    short = re.compile(r" The special magic (\w+) for (\S+) (?:mentioned in the provided text )?is:? (\S+)\.")
    for task in ("passkey", "number", "word", "uuid", "multikey"):
        for seed in range(20):
            text = tokenizer.decode(train.train(task, np.random.default_rng(seed), 1024).ids)
            facts = {key: (value, at.start()) for at in FACT.finditer(text) for _, key, value in [at.groups()]}
            for found in short.finditer(text):
                if found[2] in facts:
                    value, at = facts[found[2]]
                    assert found[3] == value
                    assert at < found.start()
                    seen += 1
    assert seen > 150


@pytest.mark.parametrize("task", ["passkey", "number", "recall"])
def test_half_of_the_questions_stand_far_behind_their_fact(task, train, tokenizer) -> None:
    far, count = 0, 0
    for seed in range(60):
        episode = train.train(task, np.random.default_rng(seed), 1024)
        text = tokenizer.decode(episode.ids)
        tokens = tokenizer.encode(text)
        for (start, _), answer in zip(episode.spans(), episode.answers, strict=True):
            fact = int(np.searchsorted(tokens.end, text.index(answer)))  # a value stands in its fact first
            far += start - fact > 128
            count += 1
    assert count > 200
    assert 0.45 < far / count < 0.9


def test_training_texts_are_dense_and_the_text_goes_on_after_an_answer(train) -> None:
    for task in ("passkey", "number", "word"):
        episodes = [train.train(task, np.random.default_rng(seed), 1024) for seed in range(40)]
        assert np.mean([len(e.answers) for e in episodes]) > 4
        assert min(len(e.answers) for e in episodes) < 4, "some hold but a few facts"
        assert np.mean([e.role[-1] == Role.TEXT for e in episodes]) > 0.8
        assert 0.3 < np.mean([np.mean(e.role == Role.TEXT) for e in episodes]) < 0.8
