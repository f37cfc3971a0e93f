"""What tasks draw from: nothing of training comes again in testing, and backgrounds are cut where they may be."""

import re
from typing import get_args

import numpy as np
import pytest

from titans_core import assets
from titans_core.errors import ConfigError
from titans_core.tasks import Prose, Repeat, Role, TaskSource, Vocabulary, Words
from titans_core.tasks.compose import Composer
from titans_core.tasks.vocabulary import Split, read_words

FACT = re.compile(r" One of the special magic (number|word|uuid)s for (\S+) is: (\S+)\.")


@pytest.fixture(scope="module")
def composer(tokenizer) -> Composer:
    return Composer(tokenizer)


@pytest.fixture(scope="module")
def stream(tokenizer) -> np.ndarray:
    names = ("weather-ship", "keeper-and-piano", "drying-oak")
    texts = [(assets.ROOT / "samples" / f"{name}.txt").read_text("utf-8") for name in names]
    return np.concatenate([np.append(ids, tokenizer.separator) for ids in tokenizer.encode_ids(texts)]).astype(
        np.uint16
    )


@pytest.fixture(scope="module")
def drawn(composer) -> dict[str, dict[str, set[str]]]:
    """Everything that thousands of draws gave, by split and kind."""
    found = {}
    for split in get_args(Split):
        vocabulary, rng = Vocabulary(composer, split), np.random.default_rng(1)
        found[split] = {
            "keys": {v.text for _ in range(400) for v in vocabulary.keys(rng, 12)},
            "pairs": {v.text for _ in range(400) for v in vocabulary.pairs(rng, 12)},
            "numbers": {v.text for _ in range(400) for v in vocabulary.numbers(rng, 12)},
            "short numbers": {v.text for _ in range(400) for v in vocabulary.numbers(rng, 12, digits=4)},
            "names": {v.text for _ in range(400) for v in vocabulary.names(rng, 5)},
            "uuids": {v.text for _ in range(100) for v in vocabulary.uuids(rng, 4)},
        }
    return found


@pytest.mark.parametrize("kind", ["keys", "pairs", "numbers", "short numbers", "names", "uuids"])
def test_no_two_splits_share_anything(kind, drawn) -> None:
    sets = [kinds[kind] for kinds in drawn.values()]
    assert len(sets) == 3
    assert sum(map(len, sets)) == len(set.union(*sets))
    assert min(map(len, sets)) > (30 if kind == "keys" else 100)


def test_pairs_of_one_split_hold_no_word_of_the_other(drawn) -> None:
    words = {split: {w for pair in kinds["pairs"] for w in pair.split("-")} for split, kinds in drawn.items()}
    assert not words["train"] & words["test"]
    assert not words["train"] & drawn["test"]["keys"]


def test_no_digit_of_a_number_tells_the_split(drawn) -> None:
    for split in ("train", "test"):
        numbers = drawn[split]["numbers"]
        assert {len(n) for n in numbers} == {7}
        for place in range(1, 7):
            counts = np.bincount([int(n[place]) for n in numbers], minlength=10)
            assert counts.min() > 0.07 * len(numbers), f"digit {place} of {split}"


def test_the_word_lists_are_clean(tokenizer) -> None:
    adjectives, nouns = read_words("adjectives"), read_words("nouns")
    assert len(adjectives) >= 250
    assert len(nouns) >= 500
    assert not set(adjectives) & set(nouns)
    for words in (adjectives, nouns):
        assert words == sorted(set(words))
        assert all(re.fullmatch("[a-z]+", word) and len(tokenizer.encode(" " + word)) <= 3 for word in words)


def test_tests_and_training_share_no_key_and_no_answer(tokenizer, stream) -> None:
    prose = Prose(stream, tokenizer)
    found: dict[str, set[str]] = {}
    for split in ("train", "test"):
        source, rng = TaskSource(tokenizer, split, prose), np.random.default_rng(1)
        found[split] = set()
        for task in ("passkey", "word", "multikey", "recall"):
            for _ in range(60):
                episode = source.train(task, rng, 512)
                found[split] |= set(episode.answers)
                facts = tokenizer.decode(episode.ids[episode.role == Role.FACT])
                found[split] |= {key for _, key, _ in FACT.findall(facts)} | set(re.findall(r"\n(\w+):", facts))
    assert len(found["test"]) > 200
    assert not found["train"] & found["test"]


def test_prose_begins_with_a_sentence_and_holds_no_separator(tokenizer, stream) -> None:
    prose = Prose(stream, tokenizer)
    for seed in range(200):
        n = int(np.random.default_rng(seed).integers(1, 4000))
        ids, starts = prose.draw(np.random.default_rng(seed), n)
        assert len(ids) == n
        assert starts[0] == 0
        assert (np.diff(starts) > 0).all()
        assert starts[-1] < n
        assert tokenizer.separator not in ids
        for at in starts.tolist():
            assert re.match(r" [^\W\d_]", tokenizer.decode(ids[at : at + 1]))
            assert at == 0 or re.search(r"[.!?][\"')”’]*$", tokenizer.decode(ids[max(0, at - 3) : at]))
    assert len(prose.draw(np.random.default_rng(1), 0).ids) == 0


def test_prose_takes_more_slices_where_a_document_ends(tokenizer, stream) -> None:
    ids, starts = Prose(stream, tokenizer).draw(np.random.default_rng(1), 5 * len(stream))
    assert len(ids) == 5 * len(stream)
    text = tokenizer.decode(ids)
    np.testing.assert_array_equal(tokenizer.encode(text).ids, ids)
    assert not re.search(
        r" Mrs?\.$", "".join(tokenizer.decode(ids[max(0, a - 3) : a]) + "\n" for a in starts[1:]), re.M
    )


def test_a_stream_without_sentences_is_refused(tokenizer) -> None:
    with pytest.raises(ConfigError, match="no full sentence"):
        Prose(tokenizer.encode("one two three").ids, tokenizer)


@pytest.mark.parametrize("n", [1, 5, 37, 1000])
def test_the_repeated_line_and_random_words_have_any_length(n, composer, tokenizer) -> None:
    for made in (Repeat(composer), Words(composer, ["amber", "harbor", "red", "sun", "velvet"])):
        for seed in range(20):
            ids, starts = made.draw(np.random.default_rng(seed), n)
            assert len(ids) == n
            assert starts[0] == 0
            assert (starts < n).all()
            text = tokenizer.decode(ids)
            np.testing.assert_array_equal(tokenizer.encode(text).ids, ids)
            assert all(a == 0 or tokenizer.decode(ids[a - 1 : a]) == "." for a in starts.tolist())
    if n == 1000:
        whole = "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again."
        for k in range(1, 60):
            end = tokenizer.decode(Repeat(composer).draw(np.random.default_rng(k), k).ids)[-6:]
            assert re.search(r"[a-z.]$", end), "no line end"
            assert not re.search(r" (gr|gras|y|yell)$", end), "no part of a word"
        line = tokenizer.decode(Repeat(composer).draw(np.random.default_rng(1), n).ids).split("\n")
        assert set(line[1:-1]) == {whole}
