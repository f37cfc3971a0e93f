"""A fact of a document: where it is put, what it asks for by itself, and the document again without it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from app import facts, samples
from app.jobs import Subject
from app.probing import grid
from titans_core.documents import Document, Section
from titans_core.probes.places import find

TEXT = "# Log\n\nIt rained. She walked home.\n\n# Storm\n\nThe keeper slept! Nobody came.  The end"
LOG = Document(
    "two files",
    "files",
    TEXT,
    pages=(0, TEXT.index("# Storm"), TEXT.index("Nobody")),
    sections=(Section(0, 1, "Log"), Section(TEXT.index("# Storm"), 1, "Storm")),
    files=((0, "a.md"), (TEXT.index("# Storm"), "b.md")),
)


def put(document: Document, depth: float, fact: str = "The number is 7.") -> Subject:
    return facts.subject(document, facts.planted(document.text, fact, depth), "The number is", "7", depth)


@pytest.mark.parametrize("depth", [0.0, 0.2, 0.5, 0.6, 0.8, 1.0])
def test_a_planted_fact_moves_what_follows_and_can_be_taken_out_again(depth: float) -> None:
    asked = put(LOG, depth)
    assert asked.fact == "The number is 7."
    for offset, start in zip(LOG.pages[1:], asked.pages[1:], strict=True):
        assert asked.text[start : start + 6] == TEXT[offset : offset + 6]
    assert [asked.text[start : start + 5] for start, _, _ in asked.sections[1:]] == ["# Sto"]
    assert [asked.text[start : start + 5] for start, _ in asked.files[1:]] == ["# Sto"]
    assert (asked.pages[0], asked.sections[0][0], asked.files[0][0]) == (0, 0, 0)
    again = facts.document(Subject.from_dict(_json(asked)))
    assert again is not None
    assert (again.text, again.pages, again.sections, again.files) == (TEXT, LOG.pages, LOG.sections, LOG.files)
    assert facts.subject(again, facts.planted(again.text, asked.fact, depth), "The number is", "7", depth) == asked


def _json(asked: Subject) -> object:
    return json.loads(json.dumps(asked.to_dict()))


@pytest.mark.parametrize("sample", [sample.title for sample in samples.samples()])
@pytest.mark.parametrize("percent", range(0, 101, 9))
def test_samples_are_known_again_at_every_depth(sample: str, percent: int) -> None:
    text = next(one.text for one in samples.samples() if one.title == sample)
    asked = put(Document(sample, "text", text), percent / 100, facts.SENTENCE)
    again = facts.document(asked)
    assert again is not None
    assert again.text == text


@pytest.mark.parametrize(
    "text",
    [
        " It rained. She slept. ",
        "It rained.  She slept.  ",
        "It rained.\n She slept.\n\n  Nobody came.\n",
        "雨だった。 She slept。\n彼女。",
        "One line\n another\n\tand a third \n",
        "No end",
    ],
)
def test_the_spaces_of_a_document_are_its_own_again(text: str) -> None:
    for percent in range(0, 101, 5):
        asked = put(Document("spaces", "text", text), percent / 100)
        again = facts.document(asked)
        assert again is not None
        assert again.text == text
        assert grid.document(asked, {"haystack": "document"}) == text


def test_a_fact_that_was_found_leaves_the_document_as_it_is() -> None:
    asked = facts.subject(LOG, find(TEXT, "The keeper slept!"), "The keeper", "slept", None)
    assert not asked.planted
    assert (asked.text, asked.pages, asked.files) == (TEXT, LOG.pages, LOG.files)
    assert asked.place(asked.start).startswith("b.md, page 1")
    again = facts.document(asked)
    assert again is not None
    assert again.text == TEXT


def test_a_planted_fact_that_was_tampered_with_is_not_taken_out() -> None:
    asked = put(LOG, 0.5)
    assert facts.document(replace(asked, depth=0.0)) is None
    assert facts.document(replace(asked, depth=7.0)) is None
    assert facts.document(replace(asked, text=asked.text + asked.fact)) is None


@pytest.mark.parametrize(
    ("fact", "answer"),
    [
        ("The special number of the harbour book is 7304416.", "7304416"),
        ("It cost 12,50 euros and 3.5 pounds at 10:30.", "10:30"),
        ("The keeper's dog is called Bramble.", "Bramble"),
        ("Her boat was called “Kestrel”.", "Kestrel"),
        ("彼女の船は青い。", "彼女の船は青い"),
        ("...", ""),
        ("", ""),
    ],
)
def test_the_answer_is_the_last_value_or_word(fact: str, answer: str) -> None:
    assert facts.answer_of(fact) == answer


def test_the_cue_is_the_fact_up_to_the_answer_or_the_question_that_was_learnt() -> None:
    assert facts.cue("The dog is called Bramble.", "Bramble") == "The dog is called"
    assert facts.cue("The dog is called Bramble.", "Rex") == ""
    assert facts.cue("Bramble", "Bramble") == ""
    learnt = facts.SENTENCE.replace("harbour", "red kite").replace("7304416", "12")
    assert facts.answer_of(learnt) == "12"
    assert facts.cue(learnt, "12").endswith("special magic number for red kite mentioned in the provided text is")
    assert facts.cue(learnt, "kite") == "One of the special magic numbers for red"
