"""Answers are scored as if every text were read alone and decoded token by token."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
import torch

from titans_core.config import VARIANTS, ModelConfig
from titans_core.errors import ConfigError
from titans_core.evaluation import answering
from titans_core.evaluation.answering import Batching, score
from titans_core.evaluation.cells import Key
from titans_core.evaluation.forms import Form, error_kind, find_value, form_of
from titans_core.evaluation.needles import episode, run_cell
from titans_core.settings import Settings
from titans_core.tasks import Episode, Prose, Role, TaskSource

BATCHINGS = [Batching(1, 16), Batching(3, 100), Batching(64, 4096), Batching(2, 10**6)]
LIVE = Settings()


class Oracle:
    """Looks a needle up in the ids it was fed; with zeroed reads it knows nothing. slip: its last token is another.

    Where no needle answers the question it says `otherwise`, as sure as `sure` (a logit) lets it be.
    """

    FACT = re.compile(r"special magic (?:number|word)s for ([a-z-]+) is: ([a-z0-9-]+)\.")
    QUESTION = re.compile(r"What is the special magic (?:number|word) for ([a-z-]+) mentioned")

    def __init__(self, tokenizer, *, slip: bool = False, otherwise: str = "", sure: float = 30.0) -> None:
        self.tokenizer, self.slip, self.otherwise, self.sure = tokenizer, slip, otherwise, sure
        self.config = ModelConfig(variant="mag", window=4096, chunk=16)
        self.device, self.name, self.weights_sha256, self.parameter_count = torch.device("cpu"), "oracle", "1" * 64, 0
        self.prefix = tokenizer.encode_ids([" provided text is"])[0].tolist()
        self.calls = 0

    def __call__(self, ids: torch.Tensor, state: torch.Tensor | None = None, *, settings: Settings = LIVE):
        self.calls += 1
        state = ids if state is None else torch.cat((state, ids), 1)
        logits = torch.zeros(*ids.shape, self.tokenizer.vocab_size)
        known = state.shape[1] - ids.shape[1]
        if not settings.zero_reads:
            for row, tokens in enumerate(state.tolist()):
                for at, token in self.answer(tokens):
                    if known <= at < state.shape[1]:
                        logits[row, at - known, token] = self.sure
        return logits, state, None

    def answer(self, tokens: list[int]) -> list[tuple[int, int]]:
        """(place, the token after it) for every token of the answer."""
        n = len(self.prefix)
        asked = [i for i in range(len(tokens) - n + 1) if tokens[i : i + n] == self.prefix]
        if not asked:
            return []
        text = self.tokenizer.decode(tokens[: asked[-1] + n])
        facts = dict(self.FACT.findall(text))
        value = facts.get(self.QUESTION.findall(text)[-1], self.otherwise)
        if not value:
            return []
        wanted = self.tokenizer.encode_ids([" " + value])[0].tolist()
        if self.slip:
            wanted[-1] = self.tokenizer.encode_ids(["3" if value[-1] != "3" else "4"])[0][0]
        return [(asked[-1] + n - 1 + i, token) for i, token in enumerate(wanted)]


@pytest.fixture(scope="module")
def source(tokenizer) -> TaskSource:
    names = ["amber", "river", "old clock", "garden", "letter", "north wind", "bread", "winter road"]
    text = " ".join(f"The {a} was near the {b}, and nobody had seen it before." for a in names for b in names)
    stream = np.concatenate([*tokenizer.encode_ids([text, text]), [tokenizer.separator]]).astype(np.uint16)
    return TaskSource(tokenizer, "test", Prose(stream, tokenizer))


def texts(source: TaskSource, task: str, n: int = 7, control: str = "live") -> list[Episode]:
    """Of 260 tokens: with slabs of 16, a slab ends inside the answer."""
    return [episode(source, 0, Key(task, 260, control), i) for i in range(n)]


@pytest.mark.parametrize("batching", BATCHINGS)
@pytest.mark.parametrize("task", ["passkey", "number", "word", "multikey"])
def test_one_who_knows_is_always_right_and_one_wrong_digit_is_always_wrong(task, batching, source, tokenizer) -> None:
    episodes = texts(source, task)
    right = score(Oracle(tokenizer), episodes, LIVE, form_of(task), batching=batching)
    assert all(a.exact and a.right == a.tokens and a.kind == "right" and a.bits < 1e-6 for a in right)
    assert [a.value for a in right] == [e.answers[0] for e in episodes]
    wrong = score(Oracle(tokenizer, slip=True), episodes, LIVE, form_of(task), batching=batching)
    assert not any(a.exact for a in wrong)
    assert all(a.right == a.tokens - 1 and a.bits > 10 for a in wrong)
    if task != "word":
        assert [a.value[:-1] for a in wrong] == [e.answers[0][:-1] for e in episodes]
        assert {a.kind for a in wrong} == {"invented"}
        assert min(a.confidence for a in wrong) > 0.99


def test_a_control_reaches_the_model(source, tokenizer) -> None:
    zeroed = score(Oracle(tokenizer), texts(source, "number"), Settings(zero_reads=True), form_of("number"))
    assert not any(a.exact for a in zeroed)
    np.testing.assert_allclose([a.bits for a in zeroed], 7 * math.log2(tokenizer.vocab_size))
    assert {a.kind for a in zeroed} == {"malformed"}


@pytest.mark.parametrize("variant", VARIANTS)
def test_exact_is_what_greedy_decoding_gives(variant, tiny_model) -> None:
    """Answers made by decoding each text alone, the whole text again for every token; every other one then spoilt."""
    model = tiny_model(variant)
    rng = np.random.default_rng(3)
    episodes, said, chances = [], [], []
    for i, length in enumerate((37, 50, 41, 44, 38, 65)):
        ids = rng.integers(0, 4095, length).tolist()
        for _ in range(4):
            p = model(torch.tensor([ids])).logits[0, -1].double().softmax(-1)
            ids.append(int(p.argmax()))
            chances.append(float(p.max()))
        said.append(model.tokenizer.decode(ids[-4:]).removeprefix(" "))
        if i % 2:
            ids[-3] = (ids[-3] + 1) % 4095
        role = np.zeros(len(ids), np.uint8)
        role[-4:] = Role.ANSWER
        episodes.append(Episode("test", np.array(ids, np.int32), role, (said[-1],)))
    p = np.array(chances).reshape(6, 4)
    anything = Form(re.compile("(?s:.*)"), 4)
    for batching in BATCHINGS[:3]:
        answers = score(model, episodes, LIVE, anything, batching=batching)
        assert [a.exact for a in answers] == [True, False] * 3
        assert [a.value for a in answers] == said
        np.testing.assert_allclose([a.confidence for a in answers], p.mean(1), rtol=1e-3)
        np.testing.assert_allclose([a.bits for a in answers][::2], -np.log2(p).sum(1)[::2], rtol=1e-4)


@pytest.mark.parametrize("variant", ["mac", "mag", "lightning"])
def test_slabs_and_rows_do_not_change_results(variant, source, tiny_model) -> None:
    model = tiny_model(variant)
    episodes = texts(source, "word", 3)
    for settings in (LIVE, Settings(zero_reads=True)):
        first, *others = (score(model, episodes, settings, form_of("word"), batching=b) for b in BATCHINGS[1:])
        for other in others:
            assert [a[:3] for a in other] == [a[:3] for a in first]
            assert [(a.value, a.kind) for a in other] == [(a.value, a.kind) for a in first]
            np.testing.assert_allclose([a.bits for a in other], [a.bits for a in first], rtol=1e-4)


@pytest.mark.parametrize("settings", [LIVE, Settings(zero_reads=True), Settings(freeze_writes=True)])
@pytest.mark.parametrize("variant", VARIANTS)
def test_what_has_no_part_in_an_answer_is_not_read(variant, settings, source, tiny_model, monkeypatch) -> None:
    """The answers are the same; only a model that reads nothing far back skips what is far back."""
    model, episodes = tiny_model(variant), texts(source, "word", 5)
    fed: list[int] = []
    forward = model.forward
    monkeypatch.setattr(model, "forward", lambda ids, *a, **k: fed.append(ids.numel()) or forward(ids, *a, **k))
    told: list[int] = []
    found = score(model, episodes, settings, form_of("word"), progress=told.append)
    skipping = sum(fed)
    fed.clear()
    monkeypatch.setattr(answering, "unseen", lambda *_: 0)
    whole_told: list[int] = []
    whole = score(model, episodes, settings, form_of("word"), progress=whole_told.append)
    remembers = variant == "lightning" or (variant != "transformer" and settings == LIVE)
    assert (skipping == sum(fed)) if remembers else (skipping < 0.7 * sum(fed))
    assert sum(told) == sum(whole_told)
    assert [(a.exact, a.value, a.kind) for a in found] == [(a.exact, a.value, a.kind) for a in whole]
    np.testing.assert_allclose([a.bits for a in found], [a.bits for a in whole], rtol=1e-4)


def test_what_is_decoded_is_what_the_model_says(source, tokenizer) -> None:
    episodes = texts(source, "word", control="absent")
    answers = score(Oracle(tokenizer, otherwise="silver-harbor"), episodes, LIVE, form_of("word"))
    assert {a.value for a in answers} == {"silver-harbor"}
    assert {a.kind for a in answers} == {"invented"}


def test_the_absent_control_counts_confident_inventions_only(source, tokenizer) -> None:
    key = Key("passkey", 256, "absent")

    def cell(**oracle):
        return run_cell(Oracle(tokenizer, **oracle), source, 0, key, 9)

    sure, unsure = cell(otherwise="1234567"), cell(otherwise="1234567", sure=1.0)
    assert (sure.right, sure.invented, sure.kinds) == (0, 9, {"invented": 9})
    assert (unsure.right, unsure.invented, unsure.kinds) == (0, 0, {"invented": 9})
    silent, words = cell(), cell(otherwise="harbor")
    assert (silent.invented, words.invented, words.kinds) == (0, 0, {"malformed": 9})
    truth = episode(source, 0, key, 4).answers[0]
    lucky = cell(otherwise=truth)
    assert (lucky.right, lucky.rate, lucky.invented) == (1, 1 / 9, 9)
    assert lucky.right_each.tolist() == [i == 4 for i in range(9)]


def test_the_kinds_of_errors(tokenizer) -> None:
    text = tokenizer.encode_ids([" The number for amber is: 1234567. The word is: red-barn."])[0]
    for said, task, first_right, kind in [
        ("1234567", "number", False, "other"),
        ("1234568", "number", False, "invented"),
        ("123456.", "number", False, "malformed"),
        (" red-barn! And", "word", False, "other"),
        (" blue-barn. And", "word", False, "invented"),
        (" red barn", "word", False, "malformed"),
        ("1234567", "multivalue", True, "incomplete"),
    ]:
        decoded = tokenizer.encode_ids([said])[0].tolist()
        value = find_value(tokenizer, decoded, form_of(task))
        assert error_kind(text, decoded, value, first_right) == kind, said
    decoded = tokenizer.encode_ids([" red-barn. And"])[0].tolist()
    value = find_value(tokenizer, decoded, form_of("word"))
    assert value is not None
    assert tokenizer.decode(decoded[: value.tokens]) == " red-barn"


def test_the_longest_pair_of_words_fits_what_is_decoded(tokenizer) -> None:
    from titans_core.tasks.vocabulary import read_words

    def longest(start: str, name: str) -> int:
        return max(map(len, tokenizer.encode_ids([start + word for word in read_words(name)])))

    assert longest(" ", "adjectives") + longest("-", "nouns") < form_of("word").tokens


def test_broken_logits_are_wrong_answers_and_not_broken_numbers(source, tokenizer) -> None:
    broken = Oracle(tokenizer, sure=float("nan"))
    cell = run_cell(broken, source, 0, Key("passkey", 256, "live"), 3)
    assert cell.right == 0
    assert math.isfinite(cell.bits)


def test_a_text_without_an_answer_is_refused(tokenizer) -> None:
    ids = np.zeros(4, np.int32)
    for role in (np.zeros(4, np.uint8), np.array([Role.ANSWER, 0, 0, 0], np.uint8)):
        with pytest.raises(ConfigError, match="no answer after its first token"):
            score(Oracle(tokenizer), [Episode("passkey", ids, role, ())], LIVE)


def test_progress_tells_of_every_token(source, tokenizer) -> None:
    seen: list[int] = []
    score(Oracle(tokenizer), texts(source, "number"), LIVE, batching=Batching(3, 200), progress=seen.append)
    assert sum(seen) == 7 * 259
    assert len(seen) > 7


def test_memory_on_the_device_does_not_grow_with_the_text(source, tokenizer) -> None:
    """No forward gets more than the budget, whatever the length."""
    sizes: list[int] = []

    class Watching(Oracle):
        def __call__(self, ids, state=None, *, settings=LIVE):
            sizes.append(ids.numel())
            return super().__call__(ids, state, settings=settings)

    long = [episode(source, 0, Key("passkey", 4096, "live"), i) for i in range(3)]
    assert all(a.exact for a in score(Watching(tokenizer), long, LIVE, batching=Batching(2, 512)))
    assert max(sizes) <= 512


def test_the_fake_has_the_signature_of_a_model(tiny_model, tokenizer) -> None:
    ids = torch.tensor([[1, 2, 3]])
    model, oracle = tiny_model("mag"), Oracle(tokenizer)
    assert model(ids, None, settings=LIVE)[0].shape == oracle(ids, None, settings=LIVE)[0].shape
    assert oracle.config.unit > 1, "slabs must be whole units here too"
