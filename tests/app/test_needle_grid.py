"""The needle grid: its cells are those of the core, cancelled or not, and what does not add up is refused."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import titans_core as tc
from app import facts, runs
from app.figures import needle_grid as figures
from app.jobs import Probe, Progress
from app.jobs import store as kept
from app.needles import INVENTED, KINDS, MISSING, RIGHT, WRONG, Cell
from app.probing import grid
from app.probing.needle_text import needle_text
from titans_core.documents import Document
from titans_core.errors import StoreError
from titans_core.evaluation.answering import Answer
from titans_core.probes import grid as core
from titans_core.probes import spots

Finish = Callable[..., Progress]
BOOK = "The keeper walked along the shore, and it rained. She found many stones there. Nobody saw the piano. "
FACT = "The special number of the harbour book is 7304416."
SUBJECT = facts.subject(
    Document("A book", "text", BOOK * 20), facts.planted(BOOK * 20, FACT, 0.45), "cue", "7304416", 0.45
)
OPTIONS = {"task": "word", "haystack": "document", "lengths": [256, 512], "depths": [0.0, 1.0], "n": 2, "seed": 0}


class Told:
    """A Tell that writes down what it is told, and cancels after so many tokens."""

    def __init__(self, before: Any = None, memo: Any = None, most: int = 1 << 40) -> None:
        self.before, self.memo, self.most = before, {} if memo is None else memo, most
        self.read: list[tuple[int, int]] = []
        self.kept: list[Any] = []

    def progress(self, done: int, total: int) -> None:
        self.read.append((done, total))
        if done > self.most:
            raise InterruptedError

    def partial(self, answer: Any) -> None:
        self.kept.append(copy.deepcopy(answer))


@pytest.fixture(scope="module")
def model() -> Any:
    return tc.load("lmm", device="cpu")


@pytest.fixture(scope="module")
def answer(model: Any) -> Any:
    return grid.run(model, SUBJECT, OPTIONS, Told())


@pytest.fixture(scope="module")
def subject_id(store: Path) -> str:
    return runs.engine().keep_subject(SUBJECT)


def probe(subject_id: str, options: dict[str, Any], checkpoint: str = "lmm") -> Probe:
    given = tuple(sorted((name, tuple(v) if isinstance(v, list) else v) for name, v in options.items()))
    return Probe("grid", subject_id, checkpoint, "A book", given)


def timeless(cells: list[Cell]) -> list[Cell]:
    return [{name: value for name, value in one.items() if name != "seconds"} for one in cells]


def test_the_cells_are_those_of_the_core(model: Any, answer: Any) -> None:
    source = spots.haystack(model.tokenizer, grid.document(SUBJECT, OPTIONS))
    assert [(one["length"], one["depth"]) for one in answer["cells"]] == [
        (256, 0.0),
        (256, 1.0),
        (512, 0.0),
        (512, 1.0),
    ]
    for one in answer["cells"]:
        spot = spots.Spot("word", one["length"], one["depth"])
        direct = core.fill(model, source, spot, 2)
        assert [one[name] for name in ("n", "right", "rate", "low", "high")] == [
            *(direct.n, direct.right, direct.rate, direct.low, direct.high)
        ]
        for text, episode in zip(one["texts"], spots.texts(source, spot, 2, 0), strict=True):
            assert text["value"] == episode.answers[0]
            assert text["needle"].endswith(f"is: {text['value']}.")
            assert (text["said"] == text["value"]) == (text["kind"] == RIGHT)


def test_a_planted_fact_is_no_part_of_the_haystack() -> None:
    assert grid.document(SUBJECT, OPTIONS) == BOOK * 20, "as `titans niah` reads the file, to the last space"
    assert grid.document(replace(SUBJECT, planted=False), OPTIONS) == SUBJECT.text
    assert grid.document(SUBJECT, OPTIONS | {"haystack": "samples"}) is None
    assert FACT not in (grid.document(replace(SUBJECT, depth=0.0), OPTIONS) or FACT), "though it was tampered with"


@pytest.mark.parametrize(
    ("kind", "meant"), [("right", RIGHT), ("other", WRONG), ("malformed", MISSING), ("invented", INVENTED)]
)
def test_every_kind_of_answer_has_its_word(kind: str, meant: str, model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    said = Answer(kind == "right", 3, 0, 9.0, None, 0.0, kind, " grey ship")
    monkeypatch.setattr(core, "answers", lambda model, spot, asked, progress: [said] * len(asked))
    (one,) = grid.run(model, SUBJECT, OPTIONS | {"lengths": [256], "depths": [0.5]}, Told())["cells"]
    assert one["kinds"] == {**dict.fromkeys(KINDS, 0), meant: 2}
    assert one["texts"][0]["said"] == "grey ship"
    assert set(figures.MEANING) == set(KINDS)


def test_a_grid_that_is_cancelled_goes_on_where_it_was(model: Any, answer: Any) -> None:
    first = Told(most=600)
    with pytest.raises(InterruptedError):
        grid.run(model, SUBJECT, OPTIONS, first)
    begun = first.kept[-1]
    assert 0 < len(begun["cells"]) < 4
    again = Told(before=begun | {"partial": True})
    resumed = grid.run(model, SUBJECT, OPTIONS, again)
    left = 2 * sum(one["length"] for one in resumed["cells"][len(begun["cells"]) :])
    assert {total for _, total in again.read} == {left}  # nothing is read twice
    assert resumed["cells"][: len(begun["cells"])] == begun["cells"]
    assert timeless(resumed["cells"]) == timeless(answer["cells"])


def test_a_further_length_does_not_read_the_others_again(model: Any, answer: Any) -> None:
    first = Told()
    grid.run(model, SUBJECT, OPTIONS | {"lengths": [512]}, first)
    second = Told(memo=first.memo)
    found = grid.run(model, SUBJECT, OPTIONS, second)
    assert {total for _, total in second.read} == {2 * 2 * 256}
    assert timeless(found["cells"]) == timeless(answer["cells"])
    assert grid.run(model, SUBJECT, OPTIONS | {"seed": 1}, Told(memo=first.memo))["cells"] != found["cells"]


def damaged(answer: Any, act: Callable[[list[Any]], Any]) -> Any:
    other = copy.deepcopy(answer)
    act(other["cells"])
    return other


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda cells: cells[1].update(right=7), "256, depth 100 %"),
        (lambda cells: cells[2]["texts"][0].update(kind="odd"), "512, depth 0 %"),
        (lambda cells: cells[2].pop("texts"), "512, depth 0 %"),
        (lambda cells: cells[0].update(seconds=float("nan")), "256, depth 0 %"),
        (lambda cells: cells.__setitem__(3, "cell"), "512, depth 100 %"),
        (lambda cells: cells.reverse(), "256, depth 0 %"),
        (lambda cells: cells.append(cells[0]), "no list of at most 4 cells"),
    ],
)
def test_cells_that_do_not_add_up_are_refused_in_words(act: Any, words: str, model: Any, answer: Any) -> None:
    tell = Told(before=damaged(answer, act))
    with pytest.raises(StoreError, match="what was kept of this grid is damaged") as error:
        grid.run(model, SUBJECT, OPTIONS, tell)
    assert words in str(error.value).replace("\u00a0", " ")
    assert tell.kept == [{"checkpoint": "lmm", "cells": []}]  # so that it can be begun again


def test_the_worker_cancels_resumes_and_refuses(subject_id: str, answer: Any, model: Any, finish: Finish) -> None:
    engine = runs.engine()
    asked = OPTIONS | {"lengths": [256, 512, 1024, 2048]}
    job = probe(subject_id, asked)
    assert engine.submit(job) == job.id
    until = time.monotonic() + 60
    while not (engine.answer(job.id) or {}).get("cells"):
        assert time.monotonic() < until
        time.sleep(0.01)
    engine.cancel(job.id)
    assert finish(job.id).state == "cancelled"
    before = engine.answer(job.id)
    assert before is not None
    assert before["partial"]
    assert 0 < len(before["cells"]) < 8
    engine.submit(job)
    assert finish(job.id).state == "done"
    after = engine.answer(job.id)
    assert after is not None
    assert "partial" not in after
    assert after["cells"][: len(before["cells"])] == before["cells"]
    assert timeless(after["cells"][:4]) == timeless(answer["cells"])
    assert len(after["cells"]) == 8

    other = probe(subject_id, OPTIONS | {"seed": 3})
    kept.keep_partial(other.id, damaged(answer, lambda cells: cells[1].update(right=7)))
    engine.submit(other)
    ended = finish(other.id)
    assert (ended.state, "does not add up" in ended.message) == ("failed", True)
    engine.submit(other)
    assert finish(other.id).state == "done"


def test_a_text_of_a_cell_is_the_one_that_was_read(model: Any, answer: Any) -> None:
    for one in answer["cells"]:
        for i, text in enumerate(one["texts"]):
            spot = spots.Spot("word", one["length"], one["depth"])
            laid = needle_text(model.tokenizer, SUBJECT, "document", 0, spot, i)
            encoding = model.tokenizer.encode(laid.text)
            assert laid.tokens == len(encoding) == one["length"]
            first, last = laid.needle
            assert laid.text[encoding.start[first] : encoding.end[last - 1]].strip() == text["needle"]
            assert laid.text[encoding.start[laid.answer] :].strip() == text["value"]
            source = spots.haystack(model.tokenizer, grid.document(SUBJECT, OPTIONS))
            episode = spots.text(source, spot, i, 0)
            np.testing.assert_array_equal(encoding.ids, episode.ids)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, ""),
        ({"task": "uuid"}, "no needle 'uuid'"),
        ({"haystack": "web"}, "no haystack 'web'"),
        ({"depths": []}, "at least one length"),
        ({"lengths": [1 << 25]}, "from 1 to 16,777,216"),
        ({"lengths": [2048.5]}, "number of tokens"),
        ({"depths": [1.5]}, "from 0, its beginning"),
        ({"n": 0}, "from 1 to 100"),
        ({"seed": -1}, "whole number"),
    ],
)
def test_what_is_no_grid_is_refused(changed: dict[str, Any], words: str) -> None:
    refused = grid.refusal(SUBJECT, "lmm", OPTIONS | changed)
    assert words in refused
    assert bool(refused) == bool(words)


def test_the_cost_is_what_is_read() -> None:
    assert grid.tokens(9, OPTIONS) == 2 * 2 * (256 + 512)
