"""docs/scaling.md says what was measured and simulated; what follows from either is right where it is known."""

from __future__ import annotations

import copy
import json
import math
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from app.jobs import store
from benchmarks import queueing_real, scaling, scaling_costs, scaling_figures, scaling_measured, scaling_tables
from benchmarks.scaling_figures import Straight, Texts, Work, straight

SOURCES = scaling.sources()
KEPT = json.loads(scaling.QUEUE.read_text("utf-8"))
ASSUMED = fields(scaling.Assumptions)


def note(found: dict, kept: dict) -> str:
    return scaling_tables.note(found, kept, ASSUMED)


def test_the_page_is_what_the_stored_figures_make() -> None:
    made = note(SOURCES, KEPT)
    assert scaling.NOTE.read_text("utf-8") == made, "run python -m benchmarks.scaling --write"


def test_what_was_simulated_is_of_what_was_measured() -> None:
    assert scaling.matches(KEPT, scaling.Assumptions(), SOURCES), "run python -m benchmarks.scaling --write"
    assert [row["people"] for row in KEPT["rows"]["core"]] == list(scaling.PEOPLE)
    faster = copy.deepcopy(SOURCES)
    for row in faster["runs"]["runs"]:
        row["seconds"] = [0.9 * seconds for seconds in row["seconds"]]
    assert not scaling.matches(KEPT, scaling.Assumptions(), faster)
    assert not scaling.matches(KEPT, scaling.Assumptions(think=60.0), SOURCES)


def test_a_row_simulated_again_is_the_row_that_is_kept() -> None:
    _, devices = scaling.services(SOURCES)
    found = scaling.simulated(scaling.Assumptions(), devices["core"], 10)
    row = KEPT["rows"]["core"][0]
    assert found.devices == row["devices"]
    assert found.waits[95].value == pytest.approx(row["waits"]["95"]["value"], rel=1e-3)


@pytest.mark.parametrize("device", ["core", "gpu"])
def test_every_row_keeps_its_promise_and_does_the_work_of_the_formula(device: str) -> None:
    given = scaling.Assumptions()
    lines = {model: Straight(**line) for model, line in KEPT["seconds"][device].items()}
    work = given.work(lines)
    for row in KEPT["rows"][device]:
        late = row["waits"]["95"]
        assert late["value"] + late["half"] <= given.promise
        assert row["most"][0] <= 3, "of one person, who waits for three"
        presses = row["rate"] / work.jobs
        assert row["utilisation"] * row["devices"] == pytest.approx(presses * work.a_press, rel=0.05)
        cycle = row["people"] / presses
        assert cycle > 0.98 * given.think
        assert row["live"] == pytest.approx(row["rate"] * row["response"], rel=0.05), "Little's law"


def test_the_page_says_what_its_figures_say() -> None:
    made = note(SOURCES, KEPT)
    mac = scaling_figures.speeds(scaling_figures.parts(SOURCES["bench"], cuda=False)["trace"])["mac"]
    assert f"| 2 CPU cores: mac | {mac:,.0f} | {1e6 / mac:.0f} |" in made
    for row in KEPT["rows"]["core"]:
        assert f"| {row['people']:,} | {row['devices']:,} | {100 * row['utilisation']:.0f} % |" in made
    for phrase in ("nan", "None", "inf "):
        assert phrase not in made


def test_what_was_not_measured_is_said() -> None:
    without = copy.deepcopy(SOURCES) | {"gpu_runs": None, "explore": None}
    for record in without["bench"]:
        if record["cuda"]:
            record["parts"] = {part: rows for part, rows in record["parts"].items() if part not in ("trace", "signals")}
    known, devices = scaling.services(without)
    assert known == "promised"
    assert devices["gpu"]["mac"].each == pytest.approx(15e-6), "what docs/performance.md promises"
    made = note(without, KEPT | {"gpu": "promised"})
    assert "H200: mac, mag, mal | not measured | not measured | not measured |" in made
    assert "**No trace was measured on" in made
    assert "as promised**" in made
    assert "not for a measured one" in made
    assert "Not measured.\n" in made, "what goes over the network"


def test_a_gpu_that_is_measured_takes_the_place_of_the_promise() -> None:
    traced = copy.deepcopy(SOURCES) | {"gpu_runs": None}
    rows = [{"name": name, "tokens": 10**6, "seconds": [9.0, 10.0, 11.0]} for name in ("mac", "mag", "mal")]
    record = next(record for record in traced["bench"] if record["cuda"])
    record["parts"]["trace"] = rows
    traced["bench"] = [*(r for r in traced["bench"] if r is not record), record]
    known, devices = scaling.services(traced)
    assert known == "traces"
    assert devices["gpu"]["mag"] == Straight(devices["core"]["mag"].fixed, pytest.approx(1e-5))
    runs = traced["runs"] | {"command": "python -m benchmarks.scaling_measured --device cuda"}
    known, devices = scaling.services(traced | {"gpu_runs": runs})
    assert (known, devices["gpu"]) == ("runs", devices["core"])
    assert "were measured in the same way" in note(traced | {"gpu_runs": runs}, KEPT | {"gpu": "runs"})


def test_the_product_s_own_queue_is_within_what_is_simulated() -> None:
    """Its figures lie between the lowest and the highest of twenty simulated days, give or take a tenth."""
    real = SOURCES["real"]
    assert len(real["simulated"]["mean"]) == queueing_real.DAYS
    for key, value in real["real"].items():
        days = real["simulated"][key]
        assert 0.9 * min(days) <= value <= 1.1 * max(days), key


def test_real_presses_are_simulated_with_what_they_took() -> None:
    presses = [{"wait": 0.5, "seconds": [1.0, 1.0]}, {"wait": 0.0, "seconds": [2.0]}]
    told = queueing_real.told_of(presses, 10.0)
    assert told == {"presses": 2, "utilisation": 0.4, "mean": 0.25, "95": pytest.approx(0.475)}
    days = queueing_real.simulated(presses, 1, 2.0, 4_000.0)
    assert np.mean(days["presses"]) == pytest.approx(1_000, rel=0.03), "2 s of thought and 2 s of work"
    assert np.mean(days["utilisation"]) == pytest.approx(0.5, rel=0.03)
    assert max(days["95"]) == 0.0, "nobody else is there"


def test_a_straight_line_is_found_and_never_begins_below_zero() -> None:
    xs = [250.0, 2_000.0, 20_000.0, 100_000.0]
    line = straight([(x, 0.25 + 2e-4 * x) for x in xs])
    assert line.fixed == pytest.approx(0.25)
    assert line.each == pytest.approx(2e-4)
    assert line.at(1_000) == pytest.approx(0.45)
    assert straight([(x, 2e-4 * x - 0.01) for x in xs]).fixed == 0.0
    assert scaling_figures.furthest_off(line, [(1_000, 0.9)]) == pytest.approx(0.5)


def test_the_mean_of_cut_texts_is_that_of_many_drawn() -> None:
    texts = Texts(1_600, 1.5, 50_000)
    drawn = texts.draw(np.random.default_rng(1), 400_000)
    assert drawn.max() == 50_000
    assert texts.mean == pytest.approx(drawn.mean(), rel=0.01)
    assert texts.share_above(10_000) == pytest.approx((drawn > 10_000).mean(), rel=0.02)
    assert Texts(1_600, 1.5, 1e12).mean == pytest.approx(1_600 * math.exp(1.125))


def test_a_press_asks_for_one_memory_or_for_all_of_one_text() -> None:
    lines = {"a": Straight(1.0, 0.0), "b": Straight(0.0, 1.0), "c": Straight(0.0, 2.0)}
    work = Work(Texts(100, 0.5, 1_000), lines, 0.25)
    presses = work.draw(np.random.default_rng(1), 100_000)
    several = [press for press in presses if len(press) == 3]
    assert len(several) / len(presses) == pytest.approx(0.25, abs=0.01)
    assert all(a == 1.0 and c == pytest.approx(2 * b) for a, b, c in several), "the same text"
    assert work.jobs == 1.5
    assert work.a_press == pytest.approx(sum(map(sum, presses)) / len(presses), rel=0.02)


def test_what_is_planned_is_enough_and_not_always_busy() -> None:
    assert scaling_tables.planned({"devices": 10, "utilisation": 0.5}, 0.9) == 10
    assert scaling_tables.planned({"devices": 1_000, "utilisation": 0.99}, 0.9) == 1_100


def test_sizes_money_and_lives_are_said_as_people_read_them() -> None:
    assert [scaling_costs.size(n) for n in (900, 1.5e3, 2.34e6, 5e9, 4.9e14)] == [
        *("900 bytes", "1.5 KB", "2.34 MB", "5 GB", "490 TB")
    ]
    assert [scaling_costs.money(n) for n in (0.00281, 0.7, 6.05, 594.2)] == ["0.0028", "0.70", "6.05", "594"]
    made = scaling_tables.keeping(KEPT, 1e6)
    row = KEPT["rows"]["core"][0]
    assert f"| {store.MAX_BYTES / row['rate'] / 1e6 / 3600:.1f} h |" in made


def test_the_command_prints_for_assumptions_of_ones_own() -> None:
    said = CliRunner().invoke(scaling.main, ["--gpu-price", "2", "--people", "10", "--think", "300"])
    assert said.exit_code == 0, said.output
    assert "| 2 | `--gpu-price` |" in said.output
    assert "| 300 | `--think` |" in said.output
    refused = CliRunner().invoke(scaling.main, ["--write", "--think", "300"])
    assert refused.exit_code == 2
    assert "takes no assumption of your own" in refused.output


def test_a_measurement_is_of_real_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TITANSCOPE_RUNS", "set by the command, and put back")
    monkeypatch.setattr(scaling_measured, "MEASURED", tmp_path)
    monkeypatch.setattr(scaling_measured, "MODELS", ("lmm", "transformer"))
    monkeypatch.setattr(scaling_measured, "LENGTHS", (60, 300))
    monkeypatch.setattr(scaling_measured, "ROUNDS", {60: 2, 300: 1})
    said = CliRunner().invoke(scaling_measured.main, [], catch_exceptions=False)
    assert said.exit_code == 0
    found = json.loads((tmp_path / "scaling.json").read_text("utf-8"))
    lmm, longer, other, _ = found["runs"]
    assert 30 < lmm["tokens"] < 90
    assert len(lmm["seconds"]) == 2
    assert lmm["stored"] > lmm["memory"] > 100_000
    assert longer["stored"] > lmm["stored"]
    assert other["memory"] == 0 < other["stored"]
    assert found.keys() == SOURCES["runs"].keys()
    assert lmm.keys() == SOURCES["runs"]["runs"][0].keys()
    assert scaling_figures.run_bytes(found["runs"])["lmm"].each > 0


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--people", "ten", "whole numbers above 0"),
        ("--people", "10,0", "whole numbers above 0"),
        ("--think", "0", "--think is 0.0; it must be above 0"),
        ("--gpu-price", "nan", "--gpu-price is nan; it must be above 0"),
        ("--busy", "1.5", "a share, at most 1"),
        ("--longest", "10", "less than the median"),
    ],
)
def test_assumptions_that_cannot_be_are_refused_by_name(option: str, value: str, words: str) -> None:
    said = CliRunner().invoke(scaling.main, [option, value])
    assert said.exit_code == 2
    assert words in " ".join(said.output.split())
