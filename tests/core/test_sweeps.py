"""Sweeps: what names a result, how it is kept, and the loop."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from titans_core import checkpoint
from titans_core.errors import StoreError
from titans_core.settings import Settings
from titans_core.sweeps import Compare, Evaluate, Identity, Needle, Serial, Sources, cells, place, plans, sweep, tables
from titans_core.sweeps.loop import Done
from titans_core.sweeps.work import attempt

ROOT = Path(__file__).parents[2]
BOOK = "The keeper walked along the shore, and it rained. She found many stones there. Nobody saw the piano. " * 20
MODEL = Identity("1" * 64, "2" * 64, "3" * 64)
NEEDLE = Needle(model=MODEL, haystack="4" * 64, task="number", length=512, depth=0.5, control="live", n=2, seed=0)
OTHERS = [
    replace(NEEDLE, **{name: value})
    for name, value in {
        "model": replace(MODEL, weights="5" * 64),
        "device": "cuda",
        "haystack": "5" * 64,
        "task": "word",
        "length": 513,
        "depth": 0.25,
        "control": "zeroed",
        "n": 3,
        "seed": 1,
    }.items()
]
OTHERS += [replace(NEEDLE, model=replace(MODEL, **{name: "5" * 64})) for name in ("config", "tokenizer")]
OTHERS.append(Evaluate(model=MODEL, data="4" * 64, task="number", length=512, control="live", n=2, seed=0))
_COMPARE = Compare(
    model=MODEL, document="4" * 64, size=9, settings=Settings(), against=MODEL, signal="surprise", layer=None
)
OTHERS += [_COMPARE, replace(_COMPARE, settings=Settings(zero_reads=True)), replace(_COMPARE, layer=0)]


def test_a_key_follows_from_everything_that_the_numbers_follow_from(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {cell.key for cell in [NEEDLE, *OTHERS]}
    assert len(keys) == 1 + len(OTHERS)
    assert replace(NEEDLE).key == NEEDLE.key
    assert json.loads(json.dumps(NEEDLE.to_dict())) == NEEDLE.to_dict()
    monkeypatch.setattr(cells, "__version__", "9.9")
    assert NEEDLE.key not in keys
    monkeypatch.undo()
    monkeypatch.setattr(cells, "FORMAT", 2)
    assert NEEDLE.key not in keys


@pytest.fixture(scope="module")
def folder(tiny_model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("sweeps")
    for variant in ("mag", "lmm"):
        checkpoint.save(tiny_model(variant, chunk=1), made / variant, {})
    return made


@pytest.fixture(scope="module")
def plan(folder: Path) -> plans.Plan:
    """Eight cells of two tiny models."""
    names = [str(folder / "mag"), str(folder / "lmm")]
    return plans.needle(names, ("book", BOOK), lengths=[256, 320], depths=[0, 1], n=2)


@dataclass
class Told:
    """An engine that says what it was asked to measure, and is done with the last cell first."""

    sources: Sources
    asked: Sequence[cells.Cell] = ()

    def run(self, cells: Sequence[cells.Cell]) -> Done:
        self.asked = cells
        yield from Serial(self.sources).run(cells[::-1])


def swept(plan: plans.Plan, results: Path | str, engine: Told | None = None) -> tuple[bytes, bytes]:
    """Both tables, after the loop."""
    outcomes = {cell.key: one for cell, one in sweep(plan.cells, place(results), engine or Serial(plan.sources))}
    assert len(outcomes) == len(plan.cells)
    table = tables.as_csv(tables.rows(plan.cells, outcomes, plan.names))
    return table, tables.as_json(plan.cells, outcomes, plan.names)


@pytest.fixture(scope="module")
def whole(plan: plans.Plan, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[bytes, bytes]]:
    results = tmp_path_factory.mktemp("whole")
    return results, swept(plan, results)


def test_the_table_is_the_same_in_whichever_order_cells_are_done(plan: plans.Plan, whole, tmp_path: Path) -> None:
    assert swept(plan, tmp_path, Told(plan.sources)) == whole[1]


@pytest.mark.parametrize("harm", ["torn", "changed", "another", "no object"])
def test_a_damaged_result_is_set_aside_and_measured_again(harm: str, plan: plans.Plan, whole, tmp_path: Path) -> None:
    swept(plan, tmp_path)
    name, other = (f"{cell.key}.json" for cell in plan.cells[:2])
    at = tmp_path / "cells" / name
    good = at.read_text()
    bad = {
        "torn": good[:200],
        "changed": good.replace('"n": 2', '"n": 3'),
        "another": (tmp_path / "cells" / other).read_text(),
        "no object": "[]",
    }[harm]
    for number in range(2):
        at.write_text(bad)
        engine = Told(plan.sources)
        found = dict(sweep(plan.cells, place(tmp_path), engine))
        assert engine.asked == [plan.cells[0]]
        assert found[plan.cells[0]].set_aside == f"damaged/{number}-{name}"
        assert (tmp_path / "damaged" / f"{number}-{name}").read_text() == bad
        assert found[plan.cells[0]].result == json.loads(good)["result"]
    assert swept(plan, tmp_path) == whole[1]


@pytest.mark.parametrize("scheme", ["memory", "file"])
def test_a_url_keeps_the_same_and_is_gone_on_with(scheme: str, plan: plans.Plan, whole, tmp_path: Path) -> None:
    pytest.importorskip("fsspec")
    url = f"{scheme}://{tmp_path}/sweep"
    assert swept(plan, url) == whole[1]
    kept = place(url)
    name = f"{plan.cells[3].key}.json"
    kept.write(f"cells/{name}", b"torn")
    engine = Told(plan.sources)
    assert swept(plan, url, engine) == whole[1]
    assert engine.asked == [plan.cells[3]]
    assert kept.read(f"damaged/0-{name}") == b"torn"


def test_what_cannot_be_a_place_says_so(plan: plans.Plan, tmp_path: Path) -> None:
    (tmp_path / "cells").write_text("a file")
    with pytest.raises(StoreError, match="results cannot be kept in"):
        swept(plan, tmp_path)
    with pytest.raises(StoreError, match="results cannot be kept in nothing://x: Protocol not known"):
        place("nothing://x")


def test_another_model_under_the_same_name_is_measured_anew(
    plan: plans.Plan, folder: Path, tiny_model, tmp_path: Path
) -> None:
    def asked(model) -> int:
        checkpoint.save(model, tmp_path / "mag", {})
        new = plans.needle([str(tmp_path / "mag")], ("book", BOOK), lengths=[256], depths=[0, 1], n=2)
        engine = Told(new.sources)
        swept(new, tmp_path / "results", engine)
        return len(engine.asked)

    assert asked(tiny_model("mag", chunk=1)) == 2
    assert asked(tiny_model("mag", chunk=1)) == 0
    assert asked(tiny_model("mag", chunk=1, window=8)) == 2, "the same weights in another config"
    other = tiny_model("mag", chunk=1)
    other.embed.weight[0, 0] += 1
    assert asked(other) == 2


def test_a_process_that_has_something_else_than_was_asked_for_says_so(plan: plans.Plan, folder: Path) -> None:
    cell = plan.cells[0]
    assert "install the same version everywhere" in attempt(cell, "0" * 64, plan.sources).failed
    wrong = replace(plan.sources, checkpoints={cell.model: str(folder / "lmm")})
    assert f"checkpoint {folder / 'lmm'} is another than was asked for" in attempt(cell, cell.key, wrong).failed
    samples = replace(plan.sources, documents={})
    assert "was not given, and the sample texts here are" in attempt(cell, cell.key, samples).failed


def test_the_example_in_the_docs_measures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "sweeps.md").read_text("utf-8"), re.DOTALL)
    assert "n=4" in example
    monkeypatch.chdir(tmp_path)
    exec(compile(example.replace("n=4", "n=1"), "sweeps.md", "exec"), {})  # noqa: S102 (our own)
    assert len(list((tmp_path / "sweeps" / "cells").iterdir())) == 6
