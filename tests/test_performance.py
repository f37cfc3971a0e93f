"""docs/performance.md says what was measured, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from titans_core.bench import bars
from tools import performance

ROOT = Path(__file__).parents[1]
RECORDS = [json.loads(path.read_text("utf-8")) for path in performance.STORED]
ONE = next(record for record in performance._merged(RECORDS) if {"memory", "training"} <= record["parts"].keys())


def test_the_note_and_its_figures_are_what_the_stored_measurements_make() -> None:
    made = performance.made(RECORDS)
    assert {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").glob("figures/performance-*")} == {
        name for name in made if name.endswith(".svg")
    }
    for name, data in made.items():
        assert (ROOT / "docs" / name).read_bytes() == data, f"{name}: run python -m tools.performance"


def test_a_device_that_was_not_measured_and_a_part_that_was_not_are_left_out() -> None:
    record = ONE
    less = record | {"parts": {"memory": record["parts"]["memory"]}}
    files = performance.made([less])
    kind = "gpu" if record["cuda"] else "cpu"
    assert list(files) == ["performance.md", f"figures/performance-memory-{kind}.svg"]
    note = files["performance.md"].decode()
    assert note.count("not measured |") >= 5
    assert note.count("Not measured yet.") == 5
    both = performance.made([less, less | {"cuda": True, "device": "A GPU"}])["performance.md"].decode()
    assert "### A GPU" in both
    assert all(bar.what in both for one in (record, {"cuda": True}) for bar in bars.bars(one))


def test_files_of_one_device_are_taken_together() -> None:
    record = ONE
    halves = [
        record | {"parts": {name: record["parts"][name]}, "command": f"titans bench --part {name}"}
        for name in ("memory", "training")
    ]
    note = performance.made(halves)["performance.md"].decode()
    assert "`titans bench --part memory`, `titans bench --part training`" in note
    assert "**Training steps of" in note
    assert "**Forward, IEEE float32**" in note
    with pytest.raises(SystemExit, match="different devices"):
        performance.made([record, record | {"device": "another"}])


def test_small_sizes_are_not_published() -> None:
    with pytest.raises(SystemExit, match="without --quick"):
        performance.made([ONE | {"quick": True}])
    with pytest.raises(SystemExit, match="titans bench --out FILE"):
        performance.made([])
