"""`titans bench`: that it runs at small sizes, what it writes, and how it judges. Never how fast it was."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from titans_core.bench import bars, command, spread, tables, theirs
from titans_core.bench.clock import Contestant, race
from titans_core.bench.setup import Setup
from titans_core.cli import main

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """A small run in a process of its own, without zarr and without titans-pytorch, as on a borrowed machine."""
    out = tmp_path_factory.mktemp("bench") / "bench.json"
    block = "import sys; sys.modules['zarr'] = sys.modules['titans_pytorch'] = None"
    arguments = ["bench", "--quick", "--device", "cpu", "--out", str(out)]
    made = subprocess.run(
        [sys.executable, "-c", f"{block}; from titans_core.cli import main; main()", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
        env={"OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"},
    )
    assert made.returncode == 0, made.stderr
    found = json.loads(out.read_text())
    found["said"] = made.stdout
    return found


def test_every_part_has_rows_and_every_ratio_is_finite(record) -> None:
    assert list(record["parts"]) == list(command.PARTS)
    assert record["quick"]
    assert record["format"] == command.FORMAT
    for part, rows in record["parts"].items():
        timed = [row for row in rows if spread.measured(row)]
        assert timed, part
        assert all(second > 0 for row in timed for second in row["seconds"])
    memory = record["parts"]["memory"]
    for mode in ("forward", "forward and backward"):
        first, *others = [row for row in memory if row["mode"] == mode and spread.measured(row)]
        assert first["name"] == "memory_scan, depth 2, chunk 64"
        assert len(others) == 5
        assert all(math.isfinite(value) and value > 0 for row in others for value in spread.ratios(row, first))


def test_what_is_not_installed_is_said_and_not_missed(record) -> None:
    missing = [row for row in record["parts"]["memory"] if "missing" in row]
    assert {row["name"] for row in missing} == {"titans-pytorch, chunk 64", "titans-pytorch, chunk 1"}
    assert "pip install titans-pytorch" in record["said"]
    assert {row["note"] for row in record["parts"]["trace"]} == {"zarr is not installed: kept in memory"}
    assert record["versions"]["titans-pytorch"] == theirs.version()


def test_its_tables_fit_a_terminal_and_end_with_the_bars(record) -> None:
    lines = record["said"].splitlines()
    assert max(len(line) for line in lines) <= 100
    assert "Of small sizes" in lines[-1]
    judged = [line for line in lines if line.rstrip().endswith("pass") or "falls short by" in line]
    assert len(judged) + record["said"].count("not measured") == len(bars.bars(record))


def test_the_last_quarter_and_the_lengths_of_growth(record) -> None:
    read, traced = record["parts"]["growth"]
    assert (read["kind"], traced["kind"]) == ("read", "traced")
    assert min(read["ratio"], traced["ratio"]) > 0
    assert [point["tokens"] for point in record["models"]["mal"]] == list(command.QUICK_LENGTHS)


def rows(**seconds: list[float]) -> list[dict]:
    about = {"mode": "forward", "precision": "highest", "tokens": 100, "peak": None}
    names = {"ours": "memory_scan, depth 2, chunk 64", "theirs": "titans-pytorch, chunk 64"}
    return [{"name": names[name], "seconds": values, **about} for name, values in seconds.items()]


def test_ratios_are_taken_round_by_round() -> None:
    ours, others = rows(ours=[1.0, 2.0, 4.0], theirs=[3.0, 8.0, 16.0])
    assert spread.ratios(others, ours) == (3.0, 4.0, 4.0)
    assert spread.ratios(others | {"tokens": 50}, ours) == (6.0, 8.0, 8.0), "a token"
    assert str(spread.ratios(others, ours)) == "4.00 (3.00 to 4.00)"


def test_bars_pass_fall_short_or_were_not_measured() -> None:
    def verdicts(**parts: list[dict]) -> dict[str, str]:
        judged = bars.table({"cuda": False, "quick": False, "parts": parts}).cells
        return {what: verdict for what, *_, verdict in judged}

    theirs_bar = "forward, titans-pytorch's time at chunk 64 over ours"
    assert verdicts(memory=rows(ours=[1.0], theirs=[8.0]))[theirs_bar] == "pass"
    assert verdicts(memory=rows(ours=[1.0], theirs=[6.0]))[theirs_bar] == "falls short by 25 %"
    assert verdicts(memory=rows(ours=[1.0]))[theirs_bar] == "not measured"
    pair = [
        {"kind": "whole model", "group": "mac", "tokens": 10, "precision": "highest", "name": name, "seconds": [s]}
        for name, s in (("signals off", 1.0), ("signals on", 1.5))
    ]
    assert verdicts(signals=pair)["signals of a whole model, time on over off"] == "falls short by 25 %"
    assert set(verdicts().values()) == {"not measured"}


def test_a_trace_that_stays_in_memory_is_not_judged_by_the_memory_it_takes() -> None:
    traced = {"kind": "traced", "name": "mac", "tokens": 1, "seconds": [1.0], "ratio": 1.0, "grown": 2**30}
    for stored, verdict in ((True, "falls short by 3,100 %"), (False, "not measured")):
        record = {"cuda": True, "quick": False, "parts": {"growth": [traced | {"stored": stored}]}}
        found = {what: said for what, *_, said in bars.table(record).cells}
        assert found["long trace, RAM grown after the first quarter"] == verdict
        assert found["long trace, last quarter's time over the first's"] == "pass"


def test_contestants_take_turns() -> None:
    order: list[str] = []
    setup = Setup(torch.device("cpu"), True, (), (), 1.0, lambda line: None)
    found = race([Contestant(name, lambda name=name: order.append(name), 7) for name in "ab"], setup)
    assert "".join(order) == "aabb" + "ab" * setup.rounds, "warm and measured for memory first"
    assert [len(row["seconds"]) for row in found] == [setup.rounds] * 2

    def too_much() -> None:
        raise torch.OutOfMemoryError

    (row,) = race([Contestant("c", too_much, 1)], setup)
    assert row["missing"] == "not enough memory on the device"


def test_what_cannot_be_measured_is_refused_first(tmp_path) -> None:
    out = tmp_path / "growth.json"
    out.write_text("")
    for wrong, message in (
        (("--lengths", "a,b"), "--lengths 'a,b' must be whole numbers above 0 with commas"),
        (("--lengths", "-5"), "--lengths '-5' must be whole numbers above 0"),
        (("--limit", "0"), "must be above 0 seconds"),
        (("--checkpoint", "nobody"), "unknown checkpoint 'nobody'"),
        (("--out", out / "x"), "is a file, not a folder"),
        (("--part", "speed"), "'speed' is not one of"),
    ):
        refused = CliRunner().invoke(main, ["bench", *map(str, wrong)])
        assert (refused.exit_code, message in refused.output) == (2, True), refused.output
        assert "tokens/s" not in refused.output


@pytest.mark.parametrize(("value", "said"), [(12_345_678, "12.3M"), (950_272, "950K"), (65.2, "65.2"), (1234, "1,234")])
def test_numbers_have_three_figures(value: float, said: str) -> None:
    assert spread.rounded(value) == said


def test_a_table_is_a_table_in_markdown_too() -> None:
    table = tables.Table("T", ("", "n"), [("a", "1")], ["Note."])
    assert table.markdown() == "**T**\n\n|  | n |\n| --- | ---: |\n| a | 1 |\n\nNote."
