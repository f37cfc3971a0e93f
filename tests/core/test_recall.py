"""A fact of a document, asked for as the reading goes on: against a model that reads everything in one go."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from titans_core.errors import ConfigError, TextError
from titans_core.probes.asking import ZEROED
from titans_core.probes.places import find, plant, tokens_of
from titans_core.probes.questions import Question
from titans_core.probes.recall import recall, spaced
from titans_core.settings import Settings

TEXT = "The keeper walked along the shore, and it rained. She found 37 stones there.\nThe piano stood still. " * 12
FACT = "The number of the harbour book is 730."
CUE, ANSWER = "The number of the harbour book is", " 730."


def said(model, ids: np.ndarray, question: Question, settings: Settings | None = None) -> tuple[float, bool]:
    """Probability of the answer and whether it is what greedy decoding gives, all read at once."""
    whole = torch.from_numpy(np.concatenate((ids, question.ids)).astype(np.int64))[None]
    with torch.inference_mode():
        log_p = model(whole, settings=settings).logits[0].double().log_softmax(-1)
    at = len(ids) + question.answer - 1
    target = whole[0, at + 1 :]
    return float(log_p[at:-1].gather(1, target[:, None]).sum().exp()), bool((log_p[at:-1].argmax(-1) == target).all())


@pytest.mark.parametrize("variant", ["mac", "mal"])
def test_it_says_what_a_model_says_that_reads_all_of_it_anew(variant: str, tiny_model) -> None:
    model, told = tiny_model(variant, chunk=1), []
    place = plant(TEXT, FACT, 0.3)
    ids = model.tokenizer.encode(place.text).ids
    found = recall(model, place, CUE, ANSWER, points=20, questions=3, progress=lambda *at: told.append(at))
    question = Question.of(model.tokenizer, CUE, ANSWER)
    assert model.tokenizer.decode(ids[found.start : found.end]) == FACT.replace("The", " The", 1)
    assert len(found.asked) == 3
    for asked in found.asked:
        without = np.delete(ids[: asked.tokens], slice(found.start, found.end))
        for got, expected in (
            (asked.memory, said(model, ids[: asked.tokens], question)),
            (asked.zeroed, said(model, ids[: asked.tokens], question, ZEROED)),
            (asked.removed, said(model, without, question)),
        ):
            assert got.p == pytest.approx(expected[0], rel=1e-3)
            assert got.exact == expected[1]
            assert got.bits == pytest.approx(-np.log2(got.p), rel=1e-6)
    assert found.held.loss.shape == (len(found.held.tokens), 2)
    assert found.held.tokens[0] >= found.end
    assert told == sorted(told)
    assert told[-1][0] == told[-1][1]
    json.loads(json.dumps(found.to_dict(), allow_nan=False))


def test_what_greedy_decoding_gives_is_told(tiny_model) -> None:
    model = tiny_model("mag", chunk=1)
    place = plant(TEXT, FACT, 0.3)
    wrong = recall(model, place, CUE, ANSWER, points=1, questions=1).asked[0].memory
    assert not wrong.exact
    right = recall(model, place, CUE, wrong.text, points=1, questions=1).asked[0].memory
    assert (right.exact, right.text) == (True, wrong.text)


def test_points_lie_denser_near_the_fact() -> None:
    found = spaced(1_000, 100_000, 1_000, 32)
    assert len(found) == len(set(found)) == 1_000
    assert (found[0], found[-1]) == (1_024, 100_000 // 32 * 32)
    assert not (found % 32).any()
    assert np.median(np.diff(found)[:50]) < np.median(np.diff(found)[-50:])
    assert spaced(90, 95, 10, 32).size == 0
    assert spaced(90, 100, 1, 32).tolist() == [96]
    assert spaced(90, 200, 1_000, 32).tolist() == [96, 128, 160, 192]
    assert all(len(spaced(0, 100_000, count, 64)) == count for count in range(1, 60))
    assert all(spaced(0, 100_000, count, 64)[-1] == 99_968 for count in range(1, 60))


def test_a_fact_is_planted_between_sentences() -> None:
    place = plant("One. Two goes on here. Three.\nFour", FACT, 0.5)
    assert place.text == f"One. Two goes on here. {FACT} Three.\nFour"
    assert place.text[place.start : place.end] == FACT
    for depth, text in ((0.0, f"{FACT} One. Two."), (1.0, f"One. Two. {FACT}")):
        assert plant("One. Two.", FACT, depth).text == text
    assert plant("一。二三四。五", FACT, 0.6).text == f"一。二三四。 {FACT} 五"
    assert find(place.text, FACT) == place


def test_tokens_of_a_place_hold_all_of_its_characters(tokenizer) -> None:
    place = find("The naïve 👩🏽‍🚀 kept 730 stones.", "ve 👩🏽‍🚀 kept 73")
    encoding = tokenizer.encode(place.text)
    start, end = tokens_of(encoding, place)
    assert encoding.start[start] <= place.start < encoding.end[start]
    assert encoding.start[end - 1] < place.end <= encoding.end[end - 1]


@pytest.mark.parametrize(
    ("cue", "answer", "text"),
    [
        ("The book is", "730", "\nThe book is 730"),
        ("The book is ", "730", "\nThe book is 730"),
        (" The book is", " a piano ", "\nThe book is a piano"),
        ("The book is:", "730", "\nThe book is:730"),
        ("書は", "七", "\n書は七"),
    ],
)
def test_an_answer_follows_its_cue_as_in_a_text(cue: str, answer: str, text: str, tokenizer) -> None:
    question = Question.of(tokenizer, cue, answer)
    assert tokenizer.decode(question.ids) == text
    assert tokenizer.decode(question.ids[question.answer :]).strip() == answer.strip()


@pytest.mark.parametrize(
    ("act", "error", "words"),
    [
        (lambda model: find("A text.", "Another"), TextError, "'Another' does not stand in the document"),
        (lambda model: find("A text.", " "), TextError, "the fact is empty"),
        (lambda model: plant("A text.", "text", 0.5), TextError, "stands in the document already"),
        (lambda model: plant("A text.", "", 0.5), TextError, "the fact is empty"),
        (lambda model: plant("A text.", FACT, 1.5), ConfigError, "depth is 1.5"),
        (lambda model: plant("A text.", FACT, float("nan")), ConfigError, "depth is nan"),
        (lambda model: Question.of(model.tokenizer, " ", "x"), TextError, "the cue is empty"),
        (lambda model: Question.of(model.tokenizer, "The", ""), TextError, "the answer is empty"),
        (
            lambda model: Question.of(model.tokenizer, "The end)", "."),
            TextError,
            "is one token with the end of the cue",
        ),
        (lambda model: recall(model, plant(TEXT, FACT, 1), CUE, ANSWER), TextError, "fewer than 64 tokens follow"),
        (lambda model: recall(model, plant(TEXT, FACT, 0), CUE, ANSWER, points=0), ConfigError, "points is 0"),
    ],
)
def test_what_cannot_be_asked_is_refused(act, error: type[Exception], words: str, tiny_model) -> None:
    with pytest.raises(error, match=words):
        act(tiny_model("lmm"))


def test_a_model_without_memory_is_refused(tiny_model) -> None:
    with pytest.raises(ConfigError, match="tiny-transformer is a transformer, which has no memory to be probed"):
        recall(tiny_model("transformer"), plant(TEXT, FACT, 0), CUE, ANSWER)
