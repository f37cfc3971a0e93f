"""`titans retention`: what it prints and writes is what the probe found."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import numpy as np
from click.testing import CliRunner

from titans_core import checkpoint
from titans_core.cli import main
from titans_core.probes.retention import retention

TEXT = "The keeper walked along the shore, and it rained. She found 37 stones there.\nThe piano stood still. " * 6


def test_it_writes_what_it_found_and_goes_on(tiny_model, tmp_path: Path) -> None:
    for variant in ("mag", "lmm"):
        checkpoint.save(tiny_model(variant, chunk=1), tmp_path / variant, {})
    (tmp_path / "book.txt").write_text(TEXT, encoding="utf-8")
    out = tmp_path / "left.json"
    given = ["retention", str(tmp_path / "book.txt"), "--out", str(out), "--checkpoint", str(tmp_path / "mag")]
    first = CliRunner().invoke(main, given)
    assert first.exit_code == 0, first.output
    assert "1.00 ( 1.00)" in first.output
    both = CliRunner().invoke(main, [*given, "--checkpoint", str(tmp_path / "lmm")])
    assert "mag: in" in both.output
    results = json.loads(out.read_text())["results"]
    assert [one["checkpoint"] for one in results] == ["mag", "lmm"]

    model = checkpoint.load(tmp_path / "lmm", "cpu")
    found = retention(model, model.tokenizer.encode(TEXT).ids)
    assert results[1]["every"] == found.every == 1
    for of in results[1]["layers"]:
        expected = found.map(of["layer"])
        np.testing.assert_allclose(np.array(of["map"], np.float64), expected, atol=1e-4, equal_nan=True)
        assert of["half_life"] == found.half_life(of["layer"])
    rows = list(csv.DictReader(out.with_suffix(".csv").read_text(encoding="utf-8").splitlines()))
    layer = [float(row["left"]) for row in rows if (row["checkpoint"], row["layer"]) == ("lmm", "1") and row["left"]]
    curve = found.curve(1)
    np.testing.assert_allclose(layer, curve[np.isfinite(curve)], atol=1e-4)


def test_a_file_of_another_command_is_left_alone(tiny_model, tmp_path: Path) -> None:
    (tmp_path / "book.txt").write_text(TEXT, encoding="utf-8")
    checkpoint.save(tiny_model("mag"), tmp_path / "mag", {})
    given = ["retention", str(tmp_path / "book.txt"), "--checkpoint", str(tmp_path / "mag"), "--out"]
    about = {"format": 1, "document_sha256": hashlib.sha256(TEXT.encode()).hexdigest()}
    for wrote in ({"format": 1, "haystack": "samples", "results": []}, {**about, "fact": "37", "results": []}):
        (tmp_path / "other.json").write_text(json.dumps(wrote))
        result = CliRunner().invoke(main, [*given, str(tmp_path / "other.json")])
        assert result.exit_code == 2
        assert "holds another kind of result, not one of `titans retention`" in " ".join(result.output.split())
        assert json.loads((tmp_path / "other.json").read_text()) == wrote


def test_help_promises_no_more_moments_than_there_may_be() -> None:
    result = CliRunner().invoke(main, ["retention", "--help"])
    assert "at up to 128 later times" in " ".join(result.output.split())


def test_a_short_text_and_a_model_without_memory_are_refused(tiny_model, tmp_path: Path) -> None:
    (tmp_path / "book.txt").write_text("One word.", encoding="utf-8")
    checkpoint.save(tiny_model("mag"), tmp_path / "mag", {})
    given = ["retention", str(tmp_path / "book.txt"), "--out", str(tmp_path / "left.json")]
    result = CliRunner().invoke(main, [*given, "--checkpoint", str(tmp_path / "mag")])
    assert result.exit_code == 2
    assert "a retention map needs at least 64" in result.output
    assert not (tmp_path / "left.json").exists()
