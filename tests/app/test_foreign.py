"""A trace of another library's model on the page: imported, shown without what it lacks, and put beside ours."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from streamlit.testing.v1 import AppTest

import titans_core as tc
from app import foreign, runs, theme
from app.exports import columns, recipe, report, signals
from app.exports import traced as traced_drawings
from app.exports.names import View
from app.figures import timelines
from app.jobs import imports, incoming
from app.runs import packed
from tests.app.conftest import TEXT
from tests.app.test_compare import open_page as open_compare
from tests.app.test_compare import texts
from tests.app.test_explore import figures, heatmap, open_page
from titans_core.adapters import About, ByteTokenizer, Differs
from titans_core.errors import StoreError

MAIN = Path(__file__).parents[2] / "app" / "main.py"
PUSHES = ("loss", "surprise", "momentary", "past_surprise", "momentum", "alignment", "theta", "eta", "alpha")
ALL = (*PUSHES, "update", "forgotten", "memory", "read", "nll", "entropy")


@dataclass
class Spring:
    """Made up numbers under the names that are asked for; the last token is not written."""

    names: tuple[str, ...] = ALL
    layers: int = 2
    name: str = "their-mac"
    tokenizer: ByteTokenizer = field(default_factory=ByteTokenizer)

    def about(self) -> About:
        differs = {
            n: Differs("chunk", differs="one value for 4 tokens") for n in ("momentum", "eta") if n in self.names
        }
        return About(
            library="spring 1.2", variant="spring", chunk=4, parameters=30, weights_sha256="0" * 64, differs=differs
        )

    def read(self, ids: np.ndarray) -> Iterator[dict[str, np.ndarray]]:
        made = np.random.default_rng(0)
        flat = ("nll", "entropy")
        found = {n: made.random((len(ids),) if n in flat else (self.layers, len(ids))) for n in self.names}
        for name, values in found.items():
            if name not in flat:
                values[:, -1] = np.nan
        yield found


def traced(folder: Path, adapter: Any, text: str = TEXT) -> Path:
    path = folder / f"{adapter.name}-{len(adapter.names)}.zarr"
    tc.trace_foreign(adapter, text, store=path)
    return path


def opened(run: str) -> runs.Run:
    found = runs.opened(run)
    assert found is not None
    return found


def said(page: AppTest) -> str:
    kinds = ("error", "warning", "info", "caption", "markdown")
    words = " ".join(str(element.value) for kind in kinds for element in page.get(kind))
    return re.sub(r"\\(.)", r"\1", words)  # of Markdown


@pytest.mark.parametrize(
    ("names", "drawn"),
    [
        (ALL, ["surprise", "momentum", "forgetting"]),
        (("surprise", "loss", "theta", "memory", "read", "update", "momentary"), ["surprise"]),
        (("memory", "nll", "entropy"), ["surprisal −log₂", "entropy"]),
        (("memory", "update"), ["update", "memory size"]),
        (("nll",), ["surprisal −log₂"]),
    ],
)
def test_what_it_has_is_shown_and_what_it_lacks_is_named(
    names: tuple[str, ...], drawn: list[str], tmp_path: Path
) -> None:
    run = imports.add(traced(tmp_path, Spring(names)))
    page = open_page([run])
    words = said(page)
    assert "their-mac is a model of spring 1.2." in words
    lacking = words.partition("It does not have: ")[2].partition(".")[0]
    for name in ALL:
        signal = theme.SIGNALS[name]
        assert (f"{signal.label.lower()} {signal.symbol}" in lacking.split(", ")) is (name not in names), name
    assert ("One value for all tokens of a chunk: momentum ‖S‖, carry η." in words) is (names == ALL)
    assert "30 parameters, spring 1.2" in words.replace("0K", "30")
    assert "attention window" not in words
    assert ("Of surprise, " in words) is ("surprise" not in names and names != ("nll",))
    assert [one["label"] for one in heatmap(page)["runs"]] == ["their-mac"]
    assert [figure["kind"] for figure in figures(page)] == ["timelines", "layer_map"]
    facts, _ = timelines.drawing([opened(run).ds])
    assert [row["title"].rpartition(" ")[0] for row in facts["rows"]] == drawn
    assert packed.through_time((run,), None, None)
    assert all(packed.layer_map((run,), name, None, "max") for name in names)


def test_it_stands_beside_a_run_of_ours(finished: dict[str, str], tmp_path: Path) -> None:
    """Bytes and our tokens are put on the pieces that both have; marks and gaps come along."""
    run = imports.add(traced(tmp_path, Spring(("surprise", "momentum", "memory"))))
    page = open_compare([finished["mag"], run])
    told = texts(page)
    assert [one["label"] for one in told[False]["runs"]] == ["MAG", "their-mac"]
    assert "their-mac is a model of spring 1.2" in said(page)
    shared = runs.trace(told[False]["runs"][1]["id"])
    assert shared["momentum"].attrs["granularity"] == "chunk"
    assert shared["momentum"].attrs["differs"] == "one value for 4 tokens"
    assert open_page([finished["mag"], run]).warning == [], "Explore shows those of the first one's tokens"


def test_what_cannot_be_done_with_it_is_said(tmp_path: Path) -> None:
    page = open_page([imports.add(traced(tmp_path, Spring()))])
    words = said(page)
    assert words.count("The text was read by a model of spring 1.2, which is not here") == 2, "sanity and worth"
    assert "models of spring 1.2 do not tell it" in words
    assert "run the text again" not in words.lower()


def test_exports_carry_what_differs(tmp_path: Path) -> None:
    run = opened(imports.add(traced(tmp_path, Spring())))
    assert columns.meaning("momentum", run.ds)["differs"] == "one value for 4 tokens"
    assert b"momentum S after the token [weight, eq. 14, one value for 4 tokens], per chunk" in b"".join(
        signals.csv(run)
    )
    view = View("surprise", None, 3)
    code = recipe.python([run], view)
    compile(code, "recipe", "exec")
    assert 'ds = tc.open_trace("PATH/TO/their-mac.zarr")  # of a model of spring 1.2' in code
    assert "# their-mac is a model of spring 1.2: tc.trace_foreign" in recipe.command([run])
    assert "30 parameters, spring 1.2" in report.report([run], view, {run.id: []}).replace("0K", "30")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"absent": ["loss"]}, "the signals that it lacks are not those that it says it lacks"),
        ({"absent": "loss"}, "its attribute 'absent' is 'loss'"),
        ({"foreign": 5}, "its attribute 'foreign' is '5'"),
        ({"foreign": "a\nb"}, "whose name cannot be shown"),
        ({"checkpoint": "mag"}, "the name of one of ours"),
        ({"variant": "mac"}, "the name of one of ours"),
        ({"config": '{"window": "wide"}'}, "its config or its settings are not usable"),
    ],
)
def test_a_store_that_claims_to_be_one_is_judged(change: dict[str, Any], says: str, tmp_path: Path) -> None:
    path = traced(tmp_path, Spring())
    zarr.open_group(path, mode="r+").attrs.update(change)
    with pytest.raises(StoreError, match=says):
        imports.add(path)


@pytest.mark.parametrize("change", [{"granularity": "word"}, {"differs": "x" * 501}, {"differs": "a\nb"}])
def test_what_it_says_of_a_signal_is_judged(change: dict[str, str], tmp_path: Path) -> None:
    path = traced(tmp_path, Spring())
    zarr.open_group(path, mode="r+")["eta"].attrs.update(change)
    with pytest.raises(StoreError, match="signals"):
        imports.add(path)


def test_a_lost_part_of_it_is_noticed(tmp_path: Path) -> None:
    path = traced(tmp_path, Spring())
    values: Any = zarr.open_group(path, mode="r+")["surprise"]
    values[:] = np.nan
    with pytest.raises(StoreError, match="surprise has no value"):
        imports.add(path)


def test_ours_is_not_foreign(traces: list[Any]) -> None:
    assert foreign.library(traces[0].attrs) == foreign.refusal(traces[0]) == ""
    assert foreign.told(traces, ["a", "b", "c"]) == []
    assert "differs" not in json.dumps(columns.meaning("surprise", traces[0]))


def test_a_report_is_drawn_of_a_store(tmp_path: Path) -> None:
    """By `python -m app figures`, whatever it has."""
    files = traced_drawings.drawn([traced(tmp_path, Spring(("memory", "read")))])
    assert {file.name for file in files} == {"time.svg", "layers.svg", "report.html"}


def test_the_import_of_the_runs_page_takes_it_in(tmp_path: Path) -> None:
    """As a .zip, judged in the child process that judges every file from elsewhere."""
    path = traced(tmp_path, Spring(("surprise", "memory")))
    file = shutil.make_archive(str(tmp_path / "run"), "zip", tmp_path, path.name)
    ds = opened(incoming.bring(Path(file).read_bytes(), "run.zip")).ds
    assert ds.attrs["foreign"] == "spring 1.2"
    np.testing.assert_array_equal(ds["surprise"].values, tc.open_trace(path)["surprise"].values)
