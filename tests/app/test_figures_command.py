"""`python -m app figures`: the files are SVG, hold what the runs wrote, and take nothing in them for markup."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from app import figures_command
from app.exports import svg
from app.figures import recall_lines, retention
from titans_core.cli import main
from titans_core.errors import ConfigError, StoreError
from titans_core.evaluation.cells import wilson

ROOT = Path(__file__).parents[2]
TEXT = "The keeper walked along the shore, and it rained. She found stones & a piano there.\n" * 24
HOSTILE = "</title></text><script>alert(1)</script>\x00\ud800"
SVG = "{http://www.w3.org/2000/svg}"

Command = Callable[..., Path]


@pytest.fixture(scope="module")
def wrote(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of what the commands write."""
    folder = tmp_path_factory.mktemp("headless")
    (folder / "book.txt").write_text(TEXT, encoding="utf-8")
    fact = ["--fact", "The number of the log is 4062173.", "--answer", "4062173", "--plant", "0.1"]
    for line in (
        ["recall", "book.txt", *fact, "--questions", "3", "--checkpoint", "mag", "--out", "recall.json"],
        ["retention", "book.txt", "--checkpoint", "mag", "--checkpoint", "lmm", "--out", "left.json"],
        ["niah", "--checkpoint", "mag", "--lengths", "256,512", "--depths", "0,1", "--n", "2", "--out", "grid.json"],
        ["trace", "book.txt", "--checkpoint", "mac", "--checkpoint", "mag", "--out", "runs"],
        ["trace", "book.txt", "--checkpoint", "mag", "--heads", "--out", "heads.zarr"],
    ):
        names = (".txt", ".json", ".zarr", "runs")
        done = CliRunner().invoke(main, [str(folder / word) if word.endswith(names) else word for word in line])
        assert done.exit_code == 0, done.output
    return folder


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def parsed(path: Path) -> ET.Element:
    return ET.fromstring(path.read_bytes())  # noqa: S314 (written just now)


def words(path: Path) -> list[str]:
    """What can be read in an SVG file, its title first. Fails where the file is not plain SVG."""
    root = parsed(path)
    assert root.tag == f"{SVG}svg"
    tags = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert tags <= {"svg", "title", "style", "rect", "path", "text", "circle", "g", "clipPath"}
    assert not [name for element in root.iter() for name in element.attrib if name.startswith("on") or "href" in name]
    assert "nan" not in path.read_text("utf-8").replace("nant", "").lower().split('"')
    return [element.text or "" for element in root.iter() if element.tag in (f"{SVG}title", f"{SVG}text")]


def drawn(path: Path, out: Path) -> dict[str, list[str]]:
    return {target.name: words(target) for target in figures_command.draw(path, out) if target.suffix == ".svg"}


def test_recall_is_drawn_with_its_numbers(wrote: Path, tmp_path: Path) -> None:
    found = drawn(wrote / "recall.json", tmp_path)
    assert list(found) == ["recall-said.svg", "recall-memory-mag.svg"]
    (one,) = read(wrote / "recall.json")["results"]
    last = one["asked"][-1]
    told = " ".join(found["recall-said.svg"])
    p = f"{last['memory']['p']:.2f}" if last["memory"]["p"] >= 0.005 else "under 0.005"
    assert f"{last['tokens'] - one['end']:,} tokens later: p {p}; reads zeroed" in told
    right = sum(asked["memory"]["exact"] for asked in one["asked"])
    assert f"at {right or 'none'} of 3 points" in told
    assert "4062173" in told
    summary = found["recall-memory-mag.svg"][0]
    for layer, cosine in enumerate(one["held"]["cosine"][-1]):
        before = one["held"]["cosine_before"][layer]
        assert f"layer {layer + 1} {before:.3f}, {cosine:.3f}".replace("-", "−") in summary
    for name, lines in (("recall-said", recall_lines.SAID), ("recall-memory-mag", recall_lines.HELD)):
        marks = list(parsed(tmp_path / f"{name}.svg"))
        signs = {after.text: mark.get("class", "") for mark, after in pairwise(marks) if after.tag == f"{SVG}text"}
        for line in lines:
            (sign,) = (css for said, css in signs.items() if said and said.endswith(line.words))
            assert line.css in sign.split() or (line.key, sign) == ("_before", "line mark"), "as on the page"
    circles = parsed(tmp_path / "recall-said.svg").iter(f"{SVG}circle")
    filled = ["hollow" not in circle.attrib["class"] for circle in circles]
    assert filled == [asked["memory"]["exact"] for asked in one["asked"]]


def test_retention_is_drawn_with_its_numbers(wrote: Path, tmp_path: Path) -> None:
    found = drawn(wrote / "left.json", tmp_path)
    assert list(found) == ["left-map-mag.svg", "left-map-lmm.svg", "left-forgetting.svg"]
    mag, lmm = read(wrote / "left.json")["results"]
    half = f"{mag['layers'][0]['half_life']:.0f}"
    assert any(line.startswith(f"MAG, all layers: {half} token") for line in found["left-map-mag.svg"])
    halves = f"half-life ○: MAG {half} token"
    assert any(line.startswith(halves) and "LMM" in line for line in found["left-forgetting.svg"])
    root = parsed(tmp_path / "left-map-lmm.svg")
    used = {element.attrib["class"] for element in root.iter(f"{SVG}path")}
    for layer in retention.layers(lmm):
        steps = set(svg.level(retention.shares(lmm, layer), 0, 1).flat) - {-1}
        assert {f"m{step}" for step in steps} <= used


def test_the_needle_grid_tells_n_intervals_and_errors(wrote: Path, tmp_path: Path) -> None:
    altered = read(wrote / "grid.json")
    altered["results"][1] |= {"n": 20, "right": 13, "kinds": {"other": 4, "invented": 2, "malformed": 1}}
    altered["results"].pop()
    (tmp_path / "grid.json").write_text(json.dumps(altered))
    told = drawn(tmp_path / "grid.json", tmp_path)["grid-grid.svg"]
    for one in altered["results"]:
        low, high = wilson(one["right"], one["n"])
        at = told.index(f"{one['right']} of {one['n']}")
        assert told[at - 1] == f"{100 * one['right'] / one['n']:.0f} %"
        assert told[at + 1] == f"{100 * low:.0f} to {100 * high:.0f} %"
    at = told.index("13 of 20")
    assert told[at + 2 : at + 5] == ["4 other", "2 invented", "1 malformed"]
    root = parsed(tmp_path / "grid-grid.svg")
    classes = [rect.attrib.get("class") for rect in root.iter(f"{SVG}rect")]
    assert (classes.count("empty"), len(classes)) == (1, 1 + 4), "the ground, and three of four cells are filled"


def test_traces_of_one_text_are_drawn_together(wrote: Path, tmp_path: Path) -> None:
    found = drawn(wrote / "runs", tmp_path)
    assert list(found) == ["runs-time.svg", "runs-layers.svg"]
    assert {"MAC", "MAG"} <= set(found["runs-time.svg"])
    assert (tmp_path / "runs-report.html").read_text("utf-8").startswith("<!doctype html>")


def test_a_trace_with_its_heads_apart_is_drawn_as_without(wrote: Path, tmp_path: Path) -> None:
    before = sorted(path.name for path in (wrote / "heads.zarr").rglob("*"))
    apart = drawn(wrote / "heads.zarr", tmp_path)
    together = drawn(wrote / "runs" / "mag.zarr", tmp_path)
    assert apart["heads-layers.svg"] == together["mag-layers.svg"]
    assert sorted(path.name for path in (wrote / "heads.zarr").rglob("*")) == before, "it is only read"


@pytest.mark.parametrize("name", ["recall.json", "left.json", "grid.json"])
def test_nothing_in_a_file_is_taken_for_markup(name: str, wrote: Path, tmp_path: Path) -> None:
    found = read(wrote / name)
    for key in ("cue", "answer", "task", "control"):
        found |= {key: HOSTILE} if key in found else {}
    for one in found["results"]:
        one |= {"checkpoint": f"../{HOSTILE}", "cue": HOSTILE, "answer": HOSTILE}
    (tmp_path / name).write_text(json.dumps(found))
    files = drawn(tmp_path / name, tmp_path / "out")
    assert any("<script>alert(1)</script>" in line for told in files.values() for line in told), "as text"
    assert {path.parent for path in (tmp_path / "out").rglob("*")} == {tmp_path / "out"}


def _without(found: dict[str, Any]) -> None:
    del found["results"][0]["checkpoint"]


def _ragged(found: dict[str, Any]) -> None:
    found["results"][0]["layers"][0]["map"][3].pop()


def _out_of_order(found: dict[str, Any]) -> None:
    found["results"][0]["rows"][4] = 10**400


def _no_result(found: dict[str, Any]) -> None:
    found["results"] = []


def _of_tomorrow(found: dict[str, Any]) -> None:
    found["format"] = 2


def _no_dict(found: dict[str, Any]) -> None:
    found["results"] = 5


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (_without, "is damaged, or not what `titans retention` wrote: 'checkpoint' is missing"),
        (_ragged, "is damaged, or not what `titans retention` wrote"),
        (_out_of_order, "is damaged, or not what `titans retention` wrote"),
        (_no_dict, "is damaged, or not what `titans retention` wrote"),
        (_no_result, "holds no result yet"),
        (_of_tomorrow, "is of another version of `titans retention`"),
    ],
)
def test_a_damaged_file_is_refused(harm: Any, says: str, wrote: Path, tmp_path: Path) -> None:
    found = read(wrote / "left.json")
    harm(found)
    (tmp_path / "left.json").write_text(json.dumps(found))
    with pytest.raises(StoreError, match=says):
        figures_command.draw(tmp_path / "left.json", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"Some words.", "is no JSON"), (b"[1, 2]", "not of their form"), (b'{"results": [1]}', "not of their form")],
)
def test_other_files_are_refused(content: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / "some.json").write_bytes(content)
    with pytest.raises(StoreError, match=f"some.json cannot be drawn: .*{says}; give the --out of `titans recall`"):
        figures_command.draw(tmp_path / "some.json")


def test_runs_of_several_texts_are_refused(wrote: Path, tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text(TEXT * 2, encoding="utf-8")
    line = ["trace", str(tmp_path / "other.txt"), "--checkpoint", "mag", "--out", str(tmp_path / "runs" / "other.zarr")]
    assert CliRunner().invoke(main, line).exit_code == 0
    (tmp_path / "runs" / "mag.zarr").symlink_to(wrote / "runs" / "mag.zarr")
    with pytest.raises(StoreError, match="are runs of different texts"):
        figures_command.draw(tmp_path / "runs")


def test_a_place_that_cannot_be_written_is_refused(wrote: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigError, match="is a file, not a folder"):
        figures_command.draw(wrote / "grid.json", tmp_path / "file" / "out")


def test_what_is_no_run_is_told_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="nowhere does not exist; `titans trace FILE"):
        figures_command.draw(tmp_path / "nowhere")
    with pytest.raises(StoreError, match=r"nofile.json does not exist; `titans recall`, `titans retention` and"):
        figures_command.draw(tmp_path / "nofile.json")
    with pytest.raises(StoreError, match="is not a run but the folder of a checkpoint"):
        figures_command.draw(ROOT / "assets" / "checkpoints" / "mag")


def test_the_command_writes_beside_its_input_and_says_what(wrote: Path) -> None:
    line = [sys.executable, "-m", "app", "figures", "grid.json", "book.txt"]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(line, cwd=wrote, env=env, capture_output=True, text=True, timeout=100, check=False)
    assert done.stdout.split() == [str(wrote / "grid-grid.svg")]
    words(wrote / "grid-grid.svg")
    assert done.returncode == 2
    assert "python -m app figures: error: book.txt cannot be drawn: it is no JSON" in done.stderr
