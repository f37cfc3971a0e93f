"""A needle grid on the page: its address, its figure, its panel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

import titans_core as tc
from app import needles, runs
from app.figures import needle_grid as figures
from app.figures.needle_grid import Grid
from app.jobs import Progress
from app.jobs import store as kept
from app.needles import KINDS, Cell
from app.probing import grid
from app.runs import texts
from app.theme import LIGHT
from app.views import grid_choices
from tests.app.test_needle_grid import (
    BOOK,
    OPTIONS,
    SUBJECT,
    Told,
    probe,
)
from titans_core.evaluation.cells import wilson

Finish = Callable[..., Progress]


@pytest.fixture(scope="module")
def answer() -> Any:
    return grid.run(tc.load("lmm", device="cpu"), SUBJECT, OPTIONS, Told())


@pytest.fixture(scope="module")
def subject_id(store: Path) -> str:
    return runs.engine().keep_subject(SUBJECT)


def made(rights: dict[tuple[int, float], str]) -> list[Cell]:
    """Cells of one text a letter: r right, w wrong value, m missing, i invented."""
    letters = dict(zip("rwmi", KINDS, strict=True))
    rest = {"needle": "a", "value": "b", "said": "c"}
    return [
        needles.cell(length, depth, [{"kind": letters[letter], **rest} for letter in texts], 1.0)
        for (length, depth), texts in rights.items()
    ]


def test_an_address_names_a_grid() -> None:
    written = needles.address(OPTIONS)
    assert written == "word.document.256-512.0-100.2"
    assert needles.from_address(written) | {"seed": 0} == OPTIONS
    for wrong in ("", "word", "word.document.x.0.2", "word.document.1.0." + "9" * 40, "word.document.²-1.0.2"):
        assert needles.from_address(wrong) == {}


def test_what_a_short_document_means_is_said() -> None:
    tokens = texts.count_tokens(BOOK * 20)
    said = grid_choices.meaning(OPTIONS | {"lengths": [256, 4096, 8192]}, SUBJECT)
    assert f"The document has {tokens} tokens" in said
    assert "shorter than 4K and 8K: such texts are several stretches of it" in said
    assert "planted fact is left out" in said
    assert "shorter" not in grid_choices.meaning(OPTIONS | {"lengths": [256]}, SUBJECT)
    assert "one line that is repeated" in grid_choices.meaning(OPTIONS | {"task": "passkey"}, SUBJECT)
    assert "The sample texts have" in grid_choices.meaning(OPTIONS | {"haystack": "samples"}, SUBJECT)


def test_the_figure_shows_the_numbers_of_the_answer(answer: Any) -> None:
    drawn = figures.drawing([Grid("lmm", "LMM", answer["cells"])], [256, 512, 1024], [0.0, 1.0], 0.85, LIGHT)
    rows = drawn["grids"][0]["rows"]
    assert drawn["lengths"] == ["256", "512", "1K"]
    for one in answer["cells"]:
        cell = rows[[0.0, 1.0].index(one["depth"])][[256, 512].index(one["length"])]
        assert cell["share"] == f"{100 * one['right'] / 2:.0f}"
        low, high = wilson(one["right"], 2)
        words = cell["words"].replace("\u00a0", " ")
        assert f"{one['right']} of 2 right" in words
        assert f"interval {100 * low:.0f} to {100 * high:.0f} %" in words
    assert [row[2]["words"].replace("\u00a0", " ") for row in rows] == [
        f"LMM, 1K, depth {d} %: not run" for d in (0, 100)
    ]
    assert "share" not in rows[0][2]
    note, listed = figures.table([Grid("lmm", "LMM", answer["cells"])])
    assert "Wilson" in note
    assert listed["right"].tolist() == [one["right"] for one in answer["cells"]]
    assert listed["low"].tolist() == pytest.approx([one["low"] for one in answer["cells"]], abs=1e-4)


def test_the_most_frequent_error_is_marked() -> None:
    cells = made({(256, 0.0): "rrrr", (512, 0.0): "rwii", (1024, 0.0): "mmww"})
    drawn = figures.drawing([Grid("mac", "MAC", cells)], [256, 512, 1024], [0.0], 0.85, LIGHT)
    assert [cell["marks"] for cell in drawn["grids"][0]["rows"][0]] == ["", "?", "▨·"]
    assert figures.result(cells[1]).endswith("; 2 invented, 1 wrong value")


def test_the_effective_length_is_of_lengths_read_at_all_depths() -> None:
    whole = made({(256, 0.0): "rrrr", (256, 1.0): "rrrr", (512, 0.0): "rrmm", (512, 1.0): "rrrr"})
    begun = Grid("mag", "MAG", made({(256, 0.0): "rrrr", (256, 1.0): "rrrr", (512, 0.0): "mmmm"}))
    grids = [Grid("mac", "MAC", whole), begun, Grid("mal", "MAL", [])]
    said = figures.sentence(grids, [0.0, 1.0], 0.85).replace("\u00a0", " ")
    assert said == (
        "Effective length at 85 %: MAC falls below from 512 (holds to 256), "
        "MAG holds up to 256 (longer texts are not all read), MAL not known yet."
    )
    assert "MAC holds up to 512 (nothing longer was run)" in figures.sentence(grids, [0.0, 1.0], 0.75)
    poor = [Grid("mac", "MAC", made({(256, 0.0): "mmmm", (512, 0.0): "rrrr"}))]
    assert "MAC falls below from 256 (nothing shorter was run)" in figures.sentence(poor, [0.0], 0.5)
    drawn = figures.drawing(grids, [256, 512], [0.0, 1.0], 0.85, LIGHT)
    assert [one["line"] for one in drawn["grids"]] == [1, None, None]


def test_numbers_can_be_read_on_every_colour() -> None:
    for percent in range(101):
        fill = figures.colour(percent / 100)
        light, ink = figures.luminance(fill), figures.luminance(figures.ink(fill))
        assert (max(light, ink) + 0.05) / (min(light, ink) + 0.05) >= 4.5
    assert (figures.colour(0), figures.colour(1)) == ("#00224e", "#fee838")


def panel(subject_id: str, address: str, **query: str) -> AppTest:
    """The panel alone on a page."""

    def script(subject_id: str) -> None:
        from app.runs import subjects
        from app.views import grid_panel

        subject = subjects.subject(subject_id)
        assert subject is not None
        grid_panel.panel(subject_id, subject, ("lmm",), "cpu")

    page = AppTest.from_function(script, kwargs={"subject_id": subject_id}, default_timeout=60)
    page.query_params.update({"grid": address, **query})
    page.run()
    assert not page.exception
    return page


def test_the_panel_asks_for_what_the_address_says(subject_id: str, finish: Finish) -> None:
    asked = OPTIONS | {"lengths": [512], "depths": [0.5], "n": 1}
    page = panel(subject_id, needles.address(asked))
    (button,) = [one for one in page.button if "takes" in one.label]
    assert button.label == "Run 1 cell: takes under 1 s"
    page.session_state[f"grid_cell_{subject_id}"] = ["lmm", 512, 0.5]
    button.click().run()
    assert finish(probe(subject_id, asked).id).state == "done"
    page.run()
    assert not page.exception
    found = runs.engine().answer(probe(subject_id, asked).id)
    assert found is not None
    said = " ".join(element.value for kind in ("markdown", "caption") for element in page.get(kind))
    assert "LMM at 512, depth 50" in said
    assert found["cells"][0]["texts"][0]["needle"][:20] in said
    assert [one.label.partition(":")[0] for one in page.button] == ["Read it for Explore"]
    page.session_state[f"grid_cell_{subject_id}"] = ["lmm", "512", None]  # what no grid can have reported
    assert not page.run().exception
    assert not page.button


def test_the_controls_follow_an_address_that_changed(subject_id: str) -> None:
    first, second = (needles.address(OPTIONS | {"task": task, "n": n}) for task, n in (("number", 3), ("word", 4)))

    def chosen(page: AppTest) -> tuple[Any, Any]:
        task, n = (f"grid_{name}_{subject_id}" for name in ("task", "n"))
        return page.segmented_control(key=task).value, page.number_input(key=n).value

    page = panel(subject_id, first, subject=subject_id)
    assert chosen(page) == ("number", 3)
    page.query_params["grid"] = second
    assert chosen(page.run()) == ("word", 4)
    page.number_input(key=f"grid_n_{subject_id}").set_value(7).run()
    assert chosen(page.run()) == ("word", 7), "the address is as it was"
    page.query_params["grid"] = first
    assert chosen(page.run()) == ("number", 3)
    del page.query_params["grid"]
    assert chosen(page.run()) == ("number", grid_choices.DEFAULT["n"])


def test_links_to_the_page_name_the_grid(subject_id: str) -> None:
    def script(subject_id: str) -> None:
        from app import recalling

        recalling.subject_id()
        recalling.grid()
        assert recalling.query() == {"subject": subject_id, "grid": "word.document.512.0.1"}
        recalling.show(subject_id)
        assert recalling.grid() == "word.document.512.0.1"
        recalling.show("f" * 32)
        assert recalling.query() == {"subject": "f" * 32}

    page = AppTest.from_function(script, kwargs={"subject_id": subject_id})
    page.query_params.update({"subject": subject_id, "grid": "word.document.512.0.1"})
    assert not page.run().exception


def test_a_damaged_grid_is_told_on_the_page(subject_id: str, answer: Any) -> None:
    asked = OPTIONS | {"task": "number", "lengths": [512, 1024], "n": 3}
    kept.keep_partial(probe(subject_id, asked).id, answer)
    page = panel(subject_id, needles.address(asked))
    assert "is damaged" in page.warning[0].value
    assert [one.label.partition(":")[0] for one in page.button] == ["Run 4 cells"]


def test_a_document_without_a_sentence_is_told_on_the_page(store: Path, finish: Finish) -> None:
    nothing = runs.engine().keep_subject(replace(SUBJECT, text="nothing here ends or begins " * 30, start=0, end=0))
    asked = OPTIONS | {"lengths": [512]}
    runs.engine().submit(probe(nothing, asked))
    assert finish(probe(nothing, asked).id).state == "failed"
    page = panel(nothing, needles.address(asked))
    assert "document cannot hide a fact" in page.error[0].value
