"""Ask: what the worker answers to a cue, what the panel says of it, and the figures it quotes for what is not there."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app import facts, memories, runs
from app.figures import ask as figures
from app.figures import ask_words
from app.jobs import Progress, Subject
from app.jobs import store as files
from app.probing import KINDS
from app.probing.absent import absent
from app.probing.lacking import lacking
from app.probing.said import said, stands
from app.theme import DARK
from app.views import ask_panel
from titans_core.probes.places import plant
from titans_core.tasks import needles

Finish = Callable[..., Progress]
Answer = dict[str, Any]

FILLER = "The rain had stopped before noon. Nobody in the village spoke of the boat again, nor of the storm. " * 30
FACT = "One of the special magic numbers for lantern is: 5093862."
CUE = facts.cue(FACT, "5093862")


def planted(**changes: Any) -> Subject:
    place = plant(FILLER, FACT, 0.4)
    return Subject("A log", *place, CUE, "5093862", True, depth=0.4, pages=(0, place.start - 5, place.end + 5))


@pytest.fixture(scope="module")
def subject(store: Path) -> str:
    return runs.engine().keep_subject(planted())


def panel(subject: str, *checkpoints: str) -> AppTest:
    """The panel alone on a page."""

    def script(subject: str, checkpoints: tuple[str, ...]) -> None:
        from app.runs import subjects
        from app.views import ask_panel

        found = subjects.subject(subject)
        assert found is not None
        ask_panel.panel(subject, found, checkpoints, "cpu")

    kwargs = {"subject": subject, "checkpoints": checkpoints}
    page = AppTest.from_function(script, kwargs=kwargs, default_timeout=60).run()
    assert not page.exception
    return page


@pytest.fixture(scope="module")
def answer(subject: str, finish: Finish) -> Answer:
    """What the worker finds of the fact, begun as the panel begins it."""
    page = panel(subject, "mac")
    assert page.text_area[0].value == CUE
    (button,) = page.button
    assert button.label.startswith("Ask: takes")
    button.click().run()
    assert not page.exception
    return answered(subject, CUE, finish)


def answered(subject: str, cue: str, finish: Finish) -> Answer:
    probe = ask_panel.probe(subject, planted(), "mac", "cpu", cue)
    runs.engine().submit(probe)
    assert finish(probe.id).state == "done"
    found = runs.engine().answer(probe.id)
    assert found is not None
    assert "partial" not in found
    return found


def test_the_answer_is_said_with_memory_only_and_draws_on_the_fact(answer: Answer) -> None:
    memory, zeroed, removed = answer["rows"]
    assert [row["name"] for row in answer["rows"]] == list(figures.WAYS)
    assert memory["value"] == answer["expected"] == "5093862"
    assert memory["p"] > 0.5
    assert {zeroed["value"], removed["value"]}.isdisjoint({"5093862"})
    assert memory["entropy"] < removed["entropy"]
    assert answer["stands"] == {"count": 1, "place": "page 2, paragraph 1"}
    first, *others = answer["passages"]
    assert FACT in first["text"]
    assert first["share"] > 0.5
    assert all(first["share"] > other["share"] for other in others)
    assert sum(first["bits"]) == pytest.approx(first["share"] * answer["toward"])
    text = planted().text
    assert all(text[p["start"] : p["end"]].strip() == p["text"] for p in answer["passages"])


def test_the_panel_names_the_passages_and_shows_the_chosen_one(answer: Answer, subject: str) -> None:
    page = panel(subject, "mac")
    assert not page.button
    captions = " ".join(caption.value for caption in page.caption).replace("\\", "")
    assert "is in the document once, at page 2, paragraph 1." in captions
    assert "What it said drew on:" in captions
    (pills,) = page.pills
    share = answer["passages"][0]["share"]
    assert pills.options[0].replace("\\", "") == f"the fact ({share:.2f})"
    assert FACT not in html(page)
    pills.set_value(0).run()
    assert FACT in html(page)
    assert "Layer 3" in html(page)


def html(page: AppTest) -> str:
    return " ".join(element.proto.body for element in page.get("html"))


def test_of_what_is_not_there_it_warns_with_what_was_measured(answer: Answer, subject: str, finish: Finish) -> None:
    cue = "What is the special magic number for anchor mentioned in the provided text? "
    cue += "The special magic number for anchor mentioned in the provided text is"
    before = files.facts(ask_panel.probe(subject, planted(), "mac", "cpu", CUE).id)
    found = answered(subject, cue, finish)
    after = files.facts(ask_panel.probe(subject, planted(), "mac", "cpu", cue).id)
    assert before is not None
    assert after is not None
    assert after["tokens"] < before["tokens"] / 2, "the state after the document was kept"
    found["stands"] = None  # whatever it says
    found["rows"][0]["value"] = "8001234"
    words = ask_words.warning(found, "MAC")
    assert words.startswith("“8001234” is not in this document.")
    cell = next(row for row in absent("mac", 1_000) if row["task"] == "number")
    assert f"in {cell['named']} of {cell['n']} (" in words
    assert "texts of 2K tokens" in words


def test_the_measured_figures_are_those_of_the_checkpoint() -> None:
    recorded = json.loads((memories.folder("mag") / "evaluation.json").read_text("utf-8"))
    cells = {(c["task"], c["length"]): c for c in recorded["cells"] if c["control"] == "absent"}
    for tokens, length in ((10, 2048), (7_000, 8192), (10**6, 16384)):
        for row in absent("mag", tokens):
            cell = cells[row["task"], length]
            assert (row["length"], row["n"], row["confident"]) == (length, cell["n"], cell["invented"])
            assert row["named"] == cell["kinds"].get("invented", 0)
            assert row["low"] <= row["rate"] <= row["high"]
    assert absent("no such memory", 1_000) == []


def test_a_memory_that_was_not_measured_is_said_to_be_so(answer: Answer) -> None:
    assert "was not measured" in ask_words.invents({**answer, "absent": []}, "Mine")


@pytest.mark.parametrize(
    ("text", "expected", "value"),
    [
        (" 7304416-call", "", "7304416"),
        (" yellow-harbourn of", "yellow-harbour", "yellow-harbour"),
        (" “Tannahill” came", "", "Tannahill"),
        (": 1,000 boats", "", "1,000"),
        (" ...", "", ""),
    ],
)
def test_the_value_is_the_number_or_word_that_is_said_first(text: str, expected: str, value: str) -> None:
    letters = SimpleNamespace(decode=lambda ids: "".join(map(chr, ids)))
    continued = SimpleNamespace(ids=np.array([*map(ord, text)]), p=np.full(len(text), 0.5), entropy=1.0)
    row = said("memory", letters, continued, expected)
    assert row["value"] == value
    assert row["tokens"] == (text.index(value) + len(value) if value else len(text))
    assert row["p"] == 0.5 ** row["tokens"]


def test_a_value_stands_in_a_document_as_a_word_of_its_own_only() -> None:
    asked = Subject("t", "The caterpillar sat. A Cat sat, and a cat ran.", 0, 0, "", "", False)
    found = stands("cat", asked)
    assert found is not None
    assert found["count"] == 2
    assert stands("pillar", asked) is None
    assert stands("", asked) is None


@pytest.mark.parametrize(
    ("checkpoint", "options", "words"),
    [
        ("mac", {"cue": "  "}, "The cue is empty"),
        ("mac", {"cue": "a" * 1_003}, "has 1,003 characters, and may have 1,000: shorten it by 3"),
        ("mac", {"cue": "It is", "length": 0}, "1 to 64 tokens"),
        ("transformer", {"cue": "It is"}, "no memory to be probed"),
    ],
)
def test_what_cannot_be_asked_is_refused(checkpoint: str, options: dict[str, Any], words: str) -> None:
    assert words in KINDS["ask"].refusal(planted(), checkpoint, options)


def test_a_deep_memory_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    shape = memories.recorded("mac")
    deep = {**shape, "model": {**shape["model"], "memory_depth": 2}}
    monkeypatch.setattr(memories, "recorded", lambda name: deep)
    assert "no sum of writes" in KINDS["ask"].refusal(planted(), "mac", {"cue": "It is"})


def test_what_a_text_holds_is_never_read_as_html(answer: Answer) -> None:
    row = {**answer["rows"][0], "value": "<b>x", "text": '"><script>'}
    drawn = figures.rows({**answer, "rows": [row]}, DARK)
    assert "<script>" not in drawn
    assert "&lt;b&gt;x" in drawn


QUESTIONS = (
    needles.ONE + needles.ONE_PREFIX,
    needles.ALL + needles.ALL_PREFIX,
    needles.BRIEF,
    *(q for _, q in needles.PARAPHRASES),
)


@pytest.mark.parametrize("question", QUESTIONS)
def test_of_a_question_only_what_the_document_lacks_is_named(question: str) -> None:
    def ask(key: str) -> list[str]:
        cue = question.replace("{kind}", "number").replace("{key}", " " + key).replace("{answers}", "")
        return lacking(cue, planted())

    assert ask("violin") == ["violin"]
    assert ask("violin-anchor") == ["violin", "anchor"]
    assert ask("lantern") == []
    assert ask("Lanterns") == ask("storms") == []


def test_no_word_is_named_of_the_own_cue_nor_of_a_script_without_spaces() -> None:
    own = Subject("t", FACT, 0, len(FACT), "Whatever somebody thinks of, lantern is", "5093862", False)
    assert lacking(own.cue + " ", own) == []
    assert lacking("東京都庁舎 は", own) == []


def test_what_the_document_lacks_is_warned_of_though_the_value_is_there(
    answer: Answer, subject: str, finish: Finish
) -> None:
    cue = CUE.replace("lantern", "violin")
    answered(subject, cue, finish)
    page = panel(subject, "mac")
    assert not page.warning
    page.text_area[0].set_value(cue).run()
    (warning,) = page.warning
    said = warning.value.replace("\\", "")
    assert said.startswith("“violin” is nowhere in this document: what is said cannot be an answer about it")
    row = next(row for row in absent("mac", 1_000) if row["task"] == "number")
    assert f"in {row['named']} of {row['n']} (" in said


def test_a_cue_that_is_too_long_is_refused_beside_the_box(subject: str) -> None:
    page = panel(subject, "mac")
    assert not page.text_area[0].proto.max_chars, "Streamlit drops a longer paste without a word"
    page.text_area[0].set_value("word " * 201).run()
    assert not page.button
    assert any("may have 1,000" in caption.value.replace("\\", "") for caption in page.caption)


def test_a_pull_without_a_peak_does_not_contradict_what_removing_the_fact_shows(answer: Answer) -> None:
    flat = {**answer, "passages": [{**passage, "share": 0.05} for passage in answer["passages"]]}
    removed = next(row for row in answer["rows"] if row["name"] == "removed")
    words = ask_words.drew(flat)
    assert words.startswith(f"Without the fact it says “{removed['value']}”, so it does hang on it; to first order")
    assert "no passage in particular" not in words
    same = [{**row, "value": answer["rows"][0]["value"]} for row in answer["rows"]]
    for rows in (same, answer["rows"][:2]):
        assert "hangs on no passage in particular" in ask_words.drew({**flat, "rows": rows})


def test_passages_of_one_paragraph_are_told_apart_by_their_first_words() -> None:
    texts = ("The rain had stopped before noon.", "Nobody in the village spoke of it.")
    passages = [
        {"start": k, "end": k + 1, "place": "paragraph 2", "text": x, "share": 0.3} for k, x in enumerate(texts)
    ]
    labels = [ask_words.label(passage, passages, None) for passage in passages]
    assert labels == ["paragraph 2 “The rain had stopped…” (0.30)", "paragraph 2 “Nobody in the village…” (0.30)"]
    assert ask_words.label(passages[0], passages[:1], None) == "paragraph 2 (0.30)"


def test_what_goes_on_inside_a_word_is_no_invention(answer: Answer) -> None:
    letters = SimpleNamespace(decode=lambda ids: "".join(map(chr, ids)))

    def row(text: str, before: str, expected: str = "") -> dict[str, Any]:
        continued = SimpleNamespace(ids=np.array([*map(ord, text)]), p=np.full(len(text), 0.5), entropy=1.0)
        return said("memory", letters, continued, expected, before)

    assert row("ing the", "he was walk")["inside"]
    for text, before, expected in ((" ing", "walk", ""), ("ing", "walk ", ""), ("京都", "東", ""), ("12", "is1", "12")):
        assert not row(text, before, expected)["inside"]
    found = {**answer, "stands": None, "rows": [row("ing the", "he was walk")]}
    assert ask_words.warning(found, "MAC", ["walk"]) == ""
    assert ask_words.stands(found).startswith("“ing” goes on inside the last word of the cue")


def test_the_worker_tells_that_a_cue_was_cut_inside_a_word(answer: Answer, subject: str, finish: Finish) -> None:
    found = answered(subject, "It was a beautif", finish)
    assert found["rows"][0]["inside"], found["rows"]
    assert found["stands"] is None
    assert not answer["rows"][0]["inside"]
