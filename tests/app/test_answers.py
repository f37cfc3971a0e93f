"""The page of answers: every figure on it is one of the files that ship, and nothing is run for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from app import measured
from app.figures import answers
from app.theme import LIGHT, label
from tests.app.plotted import plotted
from titans_core.assets import ROOT

MAIN = Path(__file__).parents[2] / "app" / "main.py"


def opened() -> AppTest:
    page = AppTest.from_file(str(MAIN), default_timeout=60)
    page._page_hash = calc_hash("answers")
    page.run()
    assert not page.exception
    return page


def test_every_question_has_a_chart_and_its_command() -> None:
    page = opened()
    assert [t.value for t in page.title] == ["Answers"]
    commands = [code.value for code in page.get("code")]
    assert len(commands) == 4
    assert sum("titans eval" in c for c in commands) == 2
    assert any("titans bench" in c for c in commands)
    assert any("what_is_kept.py" in c for c in commands)
    assert len(page.get("plotly_chart")) == len(commands)


@pytest.mark.parametrize(
    ("control", "length", "words"), [("live", 16_384, "each with one"), ("absent", 2048, "do not say")]
)
def test_numbers_in_the_tables_are_those_of_the_evaluations(control: str, length: int, words: str) -> None:
    (said,) = [m.value for m in opened().markdown if words in m.value]
    lines = {line.split("|")[1].strip(): line for line in said.splitlines() if line.startswith("| ")}
    rows = [row for row in measured.recall(control) if row["length"] == length]
    assert len(rows) == 18
    for row in rows:
        cell = f"{row['rate']:.1%}" if control == "live" else str(row["invented"])
        assert f"| {cell} |" in lines[row["memory"]]


@pytest.mark.parametrize("control", ["live", "absent"])
def test_rows_are_the_cells_of_the_files(control: str) -> None:
    rows = measured.recall(control)
    for name in measured.evaluated():
        cells = json.loads((ROOT / "checkpoints" / name / "evaluation.json").read_text())["cells"]
        own = [c for c in cells if c["control"] == control and c["task"] in measured.NEEDLES]
        mine = [row for row in rows if row["checkpoint"] == name]
        assert [(r["task"], r["length"], r["right"], r["n"]) for r in mine] == [
            (c["task"], c["length"], c["right"], c["n"]) for c in own
        ]
        assert mine


def test_lines_have_the_values_and_their_intervals() -> None:
    rows = measured.recall("live")
    figure = plotted(answers.by_length(rows, measured.NEEDLES, LIGHT, lambda row: row["rate"], band=True))
    lines = {(t.name, t.xaxis): t for t in figure.data}
    for task, axis in zip(measured.NEEDLES, ("x", "x2", "x3"), strict=True):
        for memory in {row["memory"] for row in rows}:
            own = sorted((r for r in rows if r["task"] == task and r["memory"] == memory), key=lambda r: r["length"])
            line = lines[memory, axis]
            assert list(line.x) == [r["length"] for r in own]
            assert list(line.y) == [r["rate"] for r in own]
            assert [y + up for y, up in zip(line.y, line.error_y.array, strict=True)] == pytest.approx(
                [r["high"] for r in own]
            )


def test_points_of_what_is_kept_are_those_of_the_file() -> None:
    rows = json.loads((ROOT / "measured" / "keeping.json").read_text())["rows"]
    figure = plotted(answers.kept(measured.kept(), LIGHT))
    assert sum(len(trace.x) for trace in figure.data) == len(rows)
    first = figure.data[0]
    own = [row["surprise"] for row in rows if row["checkpoint"] == "mac"]
    assert list(first.x) == [e["value"] for e in own]
    assert [x - d for x, d in zip(first.x, first.error_x.arrayminus, strict=True)] == pytest.approx(
        [e["low"] for e in own]
    )


def test_time_and_size_by_length_are_those_of_the_file() -> None:
    models = json.loads((ROOT / "measured" / "growth.json").read_text())["models"]
    figure = plotted(answers.growth(measured.grown(), LIGHT))
    assert len(figure.data) == 2 * len(models)
    for trace, (name, points) in zip(figure.data, models.items(), strict=False):
        assert trace.name == label(name)
        assert list(trace.x) == [p["tokens"] for p in points]
        assert list(trace.y) == pytest.approx([1e3 / p["speed"] for p in points])
    for trace, points in zip(figure.data[len(models) :], models.values(), strict=True):
        assert list(trace.y) == pytest.approx([p["state"] / 1e6 for p in points])
