"""Explore says what it shows: of which layer, that nothing was written, that there is no memory; in few words."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import runs, samples
from app.exports.report_tables import sentence
from app.figures import tables, timelines
from app.jobs import Job, Progress
from app.theme import number
from app.words import words
from tests.app.test_explore import figures, open_page, run_text, settle, shown

Finish = Callable[..., Progress]


def cards(page: AppTest) -> list[dict]:
    return [json.loads(e.proto.json) for e in page.get("bidi_component") if e.proto.component_name.endswith("cards")]


def token_card(page: AppTest) -> dict:
    return next(card["token"] for card in cards(page) if "token" in card)


def test_the_token_panel_is_of_the_chosen_layer(finished: dict[str, str]) -> None:
    page = open_page([finished["mac"]])
    page.session_state["layer"] = 1
    page.session_state["token"] = 5
    page.run()
    assert not page.exception
    card = token_card(page)
    assert card["place"].endswith(" · layer 2")
    surprise = next(row for row in card["rows"] if row["label"] == "Surprise")
    assert surprise["values"] == [number(float(runs.trace(finished["mac"])["surprise"].values[1, 5]))]
    titles = [block.value for block in page.main.markdown]
    assert "**What moved the memory here** :small[:gray[layer 2]]" in titles


def test_what_is_next_to_nothing_is_not_drawn_as_a_bar(
    finished: dict[str, str], monkeypatch: pytest.MonkeyPatch, undrawn: None
) -> None:
    monkeypatch.setattr("app.figures.token.LEAST", 1e9)
    page = open_page([finished["mac"]])
    assert not page.exception
    lines = " ".join(caption.value for caption in page.main.caption).replace("\\", "")
    assert "Nothing was written here: all three" in lines
    assert "Nothing is carried here" in lines
    specs = [json.loads(chart.proto.spec) for chart in page.get("plotly_chart")]
    assert not any(trace["type"] == "bar" for spec in specs for trace in spec["data"])


def test_a_model_without_memory_is_not_explained_by_surprise(finished: dict[str, str], finish: Finish) -> None:
    text = "The boats went out. The boats came back. " * 40
    run = runs.engine().submit(Job("transformer", text, samples.samples()[0].title))
    finish(run)
    page = open_page([run])
    blocks = [block.value for block in page.main.markdown]
    assert f":small[{words('how_to_read_no_memory')}]" in blocks
    assert f":small[{words('how_to_read')}]" not in blocks
    helps = " ".join(block.help for block in page.main.markdown)
    assert "empty memory" not in helps
    assert "little stands before them" in helps
    assert "What to watch in this text" not in [box.label for box in page.expander]
    assert "update chunk" not in page.main.caption[0].value
    with_memory = [block.value for block in open_page([finished["mac"]]).main.markdown]
    assert f":small[{words('how_to_read')}]" in with_memory


def test_one_token_is_one_and_what_is_undefined_is_a_dash(finish: Finish, store: Path) -> None:
    page = settle(run_text(open_page([]), "a"), finish)
    run = runs.opened(shown(page)[0])
    assert run is not None
    assert " · 1 token · " in sentence(run)
    assert "showing 1 token" in timelines.note([run.ds], None)
    assert tables.tokens([run.ds], "surprise", None, None)[0].startswith("1 of 1 token ·")
    page.session_state["table_text"] = True
    page.run()
    (table,) = [frame for frame in page.dataframe if "size |M|" not in frame.value.columns]
    assert table.proto.placeholder == "–"


def test_captions_are_short(finished: dict[str, str]) -> None:
    page = open_page([finished["mac"]])
    lines = [caption.value for caption in page.main.caption if not caption.value.startswith("MAC")]
    assert len(lines) > 3
    for line in lines:
        assert line.count(". ") <= 1 or "momentum: its own" in line or line.startswith("Half"), line


def said_in_lines(page: AppTest) -> str:
    return " ".join(caption.value for caption in page.main.caption).replace("\\", "")


def test_of_one_token_what_cannot_be_drawn_is_said_in_a_line(finish: Finish, store: Path) -> None:
    page = settle(run_text(open_page([]), "a"), finish)
    lines = said_in_lines(page)
    for words_ in (
        "no course to draw",
        "Layer 1: size 0 at the start",
        "a passage is 6",
        "predicted from nothing",
        "The text has 1 token; rank correlations",
        "The text ends here",
    ):
        assert words_ in lines, words_
    drawn = [json.loads(chart.proto.spec) for chart in page.get("plotly_chart")]
    assert len(drawn) == 1, "what moved the memory"
    assert figures(page) == []


def test_of_a_few_tokens_that_which_has_a_course_is_drawn(finish: Finish, store: Path) -> None:
    page = settle(run_text(open_page([]), "The lamp."), finish)
    assert [figure["kind"] for figure in figures(page)] == ["timelines", "layer_map"]
    assert "Layer 1: size 0 at the start" in said_in_lines(page)
    assert "passage is 6" in said_in_lines(page)
    assert any(button.key == "worth_start" for button in page.button)
