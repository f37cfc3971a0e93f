"""`titans sweep`: the numbers of the other commands, one process after another, killed or stopped in between."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from titans_core import checkpoint
from titans_core.cli import main
from titans_core.evaluation import plan
from titans_core.evaluation.cells import Key
from titans_core.probes import grid

BOOK = "The keeper walked along the shore, and it rained. She found many stones there. Nobody saw the piano. " * 20
GRID = ("--lengths", "256,320", "--depths", "0,1", "--n", "2", "--device", "cpu")


@pytest.fixture(scope="module")
def folder(tiny_model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("sweeps")
    for variant in ("mag", "lmm"):
        checkpoint.save(tiny_model(variant, chunk=1), made / variant, {})
    (made / "book.txt").write_text(BOOK, encoding="utf-8")
    (made / "validation.jsonl").write_text(json.dumps({"text": BOOK}))
    return made


def titans(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def both(folder: Path) -> list[str]:
    return [f"--checkpoint={folder / name}" for name in ("mag", "lmm")]


def needle(folder: Path, results: Path, *more: str) -> Result:
    return titans("sweep", "needle", folder / "book.txt", *both(folder), *GRID, "--results", results, *more)


def tables(results: Path, kind: str = "needle") -> tuple[bytes, bytes]:
    return (results / f"{kind}.csv").read_bytes(), (results / f"{kind}.json").read_bytes()


def found(results: Path, kind: str) -> list[dict[str, Any]]:
    return json.loads((results / f"{kind}.json").read_text())["cells"]


@pytest.fixture(scope="module")
def whole(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = tmp_path_factory.mktemp("whole")
    result = needle(folder, results)
    assert result.exit_code == 0, result.output
    assert f"8 cells, 0 of them kept from before -> {results}/needle.csv, needle.json" in result.output
    return results


def test_a_needle_sweep_has_the_numbers_of_titans_niah(folder: Path, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "grid.json"
    result = titans("niah", folder / "book.txt", *both(folder), *GRID, "--out", out)
    assert result.exit_code == 0, result.output
    theirs = json.loads(out.read_text())["results"]
    ours = found(whole, "needle")
    assert len(ours) == len(theirs) == 8
    for one, other in zip(ours, theirs, strict=True):
        assert one["cell"]["depth"] == other["depth"]
        assert one["cell"]["model"]["weights"] == other["weights_sha256"]
        assert one["result"] == {name: other[name] for name in one["result"]}
        assert other.keys() - one["result"].keys() == {"checkpoint", "weights_sha256", "depth", "seconds", "device"}
    rows = list(csv.DictReader((whole / "needle.csv").read_text().splitlines()))
    theirs_rows = list(csv.DictReader(out.with_suffix(".csv").read_text().splitlines()))
    shared = rows[0].keys() & theirs_rows[0].keys()
    assert {"checkpoint", "length", "depth", "right", "low", "high", "other", "malformed"} <= shared
    assert [{k: row[k] for k in shared} for row in rows] == [{k: row[k] for k in shared} for row in theirs_rows]


def test_an_evaluation_has_the_numbers_of_titans_eval(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "SHORT", (256,))
    quick = {Key(task, 256, control): 3 for task in ("passkey", "number") for control in ("live", "absent")}
    monkeypatch.setattr(plan, "_QUICK", {**quick, Key("validation", None, "live"): None})
    chosen = ("--data", folder, "--quick", "--device", "cpu")
    tasks, controls = ("passkey", "number", "validation"), ("live", "absent")
    swept = titans(
        *("sweep", "evaluate", *both(folder), *chosen, "--results", tmp_path),
        *(f"--task={task}" for task in tasks),
        *(f"--control={control}" for control in controls),
    )
    assert swept.exit_code == 0, swept.output
    for name in ("mag", "lmm"):
        out = tmp_path / f"{name}.json"
        given = ("--tasks", ",".join(tasks), "--controls", ",".join(controls))
        result = titans("eval", folder / name, *chosen, *given, "--out", out)
        assert result.exit_code == 0, result.output
        theirs = json.loads(out.read_text())
        ours = [
            one for one in found(tmp_path, "evaluate") if one["cell"]["model"]["weights"] == theirs["weights_sha256"]
        ]
        scores = [one["result"] for one in ours if one["cell"]["task"] == "validation"]
        assert scores == [{k: v for k, v in theirs["validation"]["live"].items() if k not in ("seconds", "device")}]
        cells = [one["result"] for one in ours if one["cell"]["task"] != "validation"]
        assert cells == [{k: v for k, v in one.items() if k not in ("seconds", "device")} for one in theirs["cells"]]
        assert len(cells) == 4


def test_a_comparison_has_the_numbers_of_titans_compare(folder: Path, tmp_path: Path) -> None:
    change = "theta*=0.5"
    result = titans(
        *("sweep", "compare", folder / "book.txt", *both(folder), "--results", tmp_path, "--device", "cpu"),
        *("--set", change),
    )
    assert result.exit_code == 0, result.output
    rows = list(csv.DictReader((tmp_path / "compare.csv").read_text().splitlines()))
    told = [(row["checkpoint"], row["changed"], row["against"]) for row in rows]
    assert told == [("lmm", "", "mag"), ("mag", change, "mag"), ("lmm", change, "lmm")]
    runs = tmp_path / "runs"
    assert titans("trace", folder / "book.txt", *both(folder), "--out", runs).exit_code == 0
    changed = tmp_path / "changed"
    assert titans("trace", folder / "book.txt", *both(folder), "--out", changed, "--set", change).exit_code == 0
    pairs = [(runs / "mag", runs / "lmm"), (runs / "mag", changed / "mag"), (runs / "lmm", changed / "lmm")]
    for row, (first, other) in zip(rows, pairs, strict=True):
        said = titans("compare", f"{first}.zarr", f"{other}.zarr").output
        rho, low, high, saved = (float(row[name]) for name in ("value", "low", "high", "saved"))
        assert f"rank correlation {rho:.2f} [{low:.2f}, {high:.2f}]" in said
        assert f"{round(float(row['overlap']) * int(row['top']))} of the {row['top']} highest in both" in said
        assert f"{saved:+,.1f} bits saved in all ({float(row['won']):,.1f} won, {float(row['lost']):,.1f} lost)" in said


KILLED = """
import os, signal, sys
from titans_core.cli import main
from titans_core.probes import grid
from titans_core.sweeps import places
module, name = {"fill": (grid, "fill"), "replace": (places.os, "replace")}[sys.argv.pop(1)]
act, calls = getattr(module, name), []
def killed(*given, **named):
    calls.append(given)
    if len(calls) == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    return act(*given, **named)
setattr(module, name, killed)
main()
"""


@pytest.mark.parametrize("at", ["fill", "replace"])
def test_killed_half_way_it_goes_on_to_the_identical_table(
    at: str, folder: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ["sweep", "needle", folder / "book.txt", *both(folder), *GRID, "--results", tmp_path]
    child = subprocess.run([sys.executable, "-c", KILLED, at, *map(str, given)], capture_output=True, check=False)
    assert child.returncode == -signal.SIGKILL, child.stderr.decode()
    assert len(list((tmp_path / "cells").glob("*.json"))) == 3
    assert not (tmp_path / "needle.csv").exists()
    filled: list[object] = []
    fill = grid.fill
    monkeypatch.setattr(grid, "fill", lambda *a, **k: filled.append(a) or fill(*a, **k))
    result = needle(folder, tmp_path)
    assert result.exit_code == 0, result.output
    assert "8 cells, 3 of them kept from before" in result.output
    assert len(filled) == 5
    assert tables(tmp_path) == tables(whole)


def test_a_cell_that_fails_is_told_and_tried_again_and_the_others_go_on(
    folder: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill = grid.fill

    def failing(model, source, spot, *rest, **named):
        if (model.name, spot.length, spot.depth) == ("mag", 320, 0.0):
            raise RuntimeError("out of\nmemory")
        return fill(model, source, spot, *rest, **named)

    monkeypatch.setattr(grid, "fill", failing)
    result = needle(folder, tmp_path)
    assert result.exit_code == 1
    assert "1 failed; the same command tries them again" in result.output
    rows = list(csv.DictReader((tmp_path / "needle.csv").read_text().splitlines()))
    assert [row["failed"] for row in rows] == ["", "", "RuntimeError: out of memory", *[""] * 5]
    assert [bool(row["right"]) for row in rows] == [True, True, False, *[True] * 5]
    monkeypatch.undo()
    result = needle(folder, tmp_path)
    assert (result.exit_code, "8 cells, 7 of them kept from before" in result.output) == (0, True)
    assert tables(tmp_path) == tables(whole)


def test_ctrl_c_leaves_what_is_finished(
    folder: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    fill, filled = grid.fill, []

    def stopped(*given: Any, **named: Any) -> object:
        if len(filled) == 2:
            signal.raise_signal(signal.SIGINT)
        filled.append(given)
        return fill(*given, **named)

    monkeypatch.setattr(grid, "fill", stopped)
    result = needle(folder, tmp_path)
    assert result.exit_code == 130
    assert f"stopped: 2 of 8 cells are kept in {tmp_path}; the same command goes on" in result.output
    monkeypatch.undo()
    assert "8 cells, 2 of them kept from before" in needle(folder, tmp_path).output
    assert tables(tmp_path) == tables(whole)


def test_a_damaged_result_is_named(folder: Path, whole: Path, tmp_path: Path) -> None:
    needle(folder, tmp_path)
    file = next((tmp_path / "cells").iterdir())
    file.write_text("{")
    result = needle(folder, tmp_path)
    assert f"a damaged result was set aside as damaged/0-{file.name}; measured again" in result.output
    assert tables(tmp_path) == tables(whole)


@pytest.mark.parametrize(
    ("kind", "arguments", "words"),
    [
        ("needle", ["--lengths", "1K"], "--lengths '1K' is no list of numbers with commas"),
        ("needle", ["--lengths", "20"], "tokens here without any haystack; length is 20"),
        ("needle", ["--task", "babi"], "there is no needle 'babi'"),
        ("needle", ["--checkpoint", "nobody"], "unknown checkpoint 'nobody'"),
        ("needle", ["--device", "tpu"], "unknown device 'tpu'"),
        ("evaluate", ["--task", "word"], "word cannot be measured without --data"),
        ("compare", ["--signal", "joy"], "there is no signal 'joy'"),
        ("compare", ["--set", "theta[7]*=0"], "there is no layer 7"),
        ("compare", [], "nothing to compare with; give a second --checkpoint, or a change with --set"),
    ],
)
def test_what_is_refused_is_refused_before_anything_is_measured(
    kind: str, arguments: list[str], words: str, folder: Path, tmp_path: Path
) -> None:
    results = tmp_path / "none"
    file = [] if kind == "evaluate" else [folder / "book.txt"]
    result = titans("sweep", kind, *file, "--checkpoint", folder / "mag", "--results", results, *arguments)
    assert result.exit_code == 2
    assert words in " ".join(result.output.split())
    assert not results.exists()


def test_nothing_of_ray_or_fsspec_is_imported_without_asking(folder: Path, tmp_path: Path) -> None:
    code = (
        "import sys, titans_core.sweeps, titans_core.sweeps.command\n"
        "import titans_core.sweeps.on_ray, titans_core.sweeps.tables\n"
        "assert not {'torch', 'ray', 'fsspec'} & set(sys.modules)\n"
        "from titans_core.cli import main\n"
        "main(standalone_mode=False)\n"
        "assert 'torch' in sys.modules and 'ray' not in sys.modules and 'fsspec' not in sys.modules\n"
        "print('measured')"
    )
    given = ["sweep", "needle", folder / "book.txt", "--checkpoint", folder / "mag", *GRID, "--results", tmp_path]
    child = subprocess.run([sys.executable, "-c", code, *map(str, given)], capture_output=True, text=True, check=False)
    assert child.stdout.endswith("measured\n"), child.stderr


@pytest.mark.parametrize("address", ["127.0.0.1:1", "[::1]:1", "127.0.0.1:99999"])
def test_where_no_ray_is_it_says_so_at_once(address: str, folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    result = needle(folder, tmp_path, "--ray", address)
    assert result.exit_code == 2
    assert f"--ray {address}: nobody answers there (" in result.output
    assert "give local, or the address of a running Ray" in result.output


def test_without_ray_it_says_what_to_install(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    result = needle(folder, tmp_path, "--ray", "local")
    assert result.exit_code == 2
    assert "pip install 'titanscope[cluster]', or leave --ray out" in result.output
