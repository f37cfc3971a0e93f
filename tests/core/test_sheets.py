"""No cell of a CSV is a formula, whatever a document or a model says."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from titans_core import resumed, sheets
from titans_core.probes import recalled

FORMULAS = ['=HYPERLINK("http://x")', "+1", "@SUM(A1)", "-2+3", "\t=1", "\r=1", " =1", "＝1", "'=1"]


@pytest.mark.parametrize("text", FORMULAS)
def test_what_begins_like_a_formula_is_guarded_and_can_be_had_back(text: str) -> None:
    assert sheets.guarded(text) == "'" + text
    assert sheets.guarded(text).removeprefix("'") == text


@pytest.mark.parametrize("cell", ["7304416", "a=b", "", "café", -0.5, None, 3])
def test_all_else_is_as_it_is(cell: object) -> None:
    assert sheets.guarded(cell) == cell


@pytest.mark.parametrize("text", FORMULAS)
def test_what_a_model_says_is_no_formula_in_the_file_of_recall(text: str, tmp_path: Path) -> None:
    asked = {name: {"p": 0.5, "text": text} for name in ("memory", "zeroed", "removed")} | {"tokens": 3}
    held = {name: [] for name in ("tokens", *recalled._MEASURES)} | {"loss_before": [], "cosine_before": []}
    resumed.write(
        tmp_path / "r.json", {"found": text}, recalled.table([{"checkpoint": "mac", "held": held, "asked": [asked]}])
    )
    rows = list(csv.reader(io.StringIO((tmp_path / "r.csv").read_bytes().decode(), newline="")))
    assert [row[-1] for row in rows[1:]] == ["'" + text] * 3
    assert [row[-2] for row in rows[1:]] == ["0.5"] * 3
    assert json.loads((tmp_path / "r.json").read_text()) == {"found": text}, "JSON needs no guard"
