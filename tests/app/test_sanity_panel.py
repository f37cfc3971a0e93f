"""The sanity panel: its numbers are those of the probe, and it says why where it has none."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from streamlit.testing.v1 import AppTest

import titans_core as tc
from app import runs, samples, state
from app.figures import sanity, sanity_words
from app.figures.sanity import MEASURES, READINGS, TOGETHER, Answer, Estimate
from app.jobs import Job, Progress, SanityCheck
from app.jobs.sanity import LIMIT, refusal, settings
from app.runs import texts
from app.theme import DARK, LIGHT
from tests.app.plotted import plotted
from titans_core.errors import ConfigError
from titans_core.probes.controls import compare

Finish = Callable[..., Progress]
KEYS = [reading.key for reading in READINGS]


def panel(*ids: str, layer: int | None = None) -> AppTest:
    """The panel alone on a page."""

    def script(ids: list[str], layer: int | None) -> None:
        from app import link, runs
        from app.views.sanity import sanity_panel

        shown = [run for run in map(runs.opened, ids) if run is not None]
        sanity_panel(shown, link.Look("surprise", layer, None, 0))

    page = AppTest.from_function(script, kwargs={"ids": list(ids), "layer": layer}, default_timeout=60).run()
    assert not page.exception
    return page


def said(page: AppTest) -> str:
    return " ".join(element.value for kind in ("markdown", "caption", "error") for element in page.get(kind))


@pytest.fixture(scope="module")
def text() -> str:
    return next(s.text for s in samples.samples() if s.title == "Mind the step")


@pytest.fixture(scope="module")
def run(text: str, store: Path, finish: Finish) -> str:
    started = runs.engine().submit(Job("mal", text, "Mind the step"))
    assert finish(started).state == "done"
    return started


@pytest.fixture(scope="module")
def answer(run: str, finish: Finish) -> Answer:
    """What the worker finds for that run, begun as the panel begins it."""
    page = panel(run)
    assert not page.get("plotly_chart")
    (button,) = page.button
    assert button.label.startswith("Compare: takes")
    button.click().run()
    assert not page.exception
    check = SanityCheck(run, "mal", "").id
    assert finish(check).state == "done"
    found = runs.engine().answer(check)
    assert found is not None
    return found


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As in the worker, so that the last digits are the same."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def numbers(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [x for part in value.values() for x in numbers(part)]
    if isinstance(value, list):
        return [x for part in value for x in numbers(part)]
    return [float(value)] if isinstance(value, int | float) else []


def changed(answer: Answer, reading: str, layer: int, measure: str, estimate: tuple[float, float, float]) -> Answer:
    other = copy.deepcopy(answer)
    other[reading]["layers"][layer][measure] = list(estimate)
    return other


def test_the_panel_shows_what_the_probe_finds(run: str, text: str, answer: Answer, one_thread: None) -> None:
    direct = json.loads(json.dumps(asdict(compare(tc.load("mal"), text, limit=LIMIT, seed=0))))
    assert numbers(answer) == pytest.approx(numbers(direct), abs=1e-3)
    assert answer["limit"] == LIMIT
    layer = sanity.shown_layer(direct, None)
    page = panel(run)
    (chart,) = page.get("plotly_chart")
    points = [trace for trace in json.loads(chart.proto.spec)["data"] if trace["mode"] == "markers"]
    bars = [trace for trace in json.loads(chart.proto.spec)["data"] if trace["mode"] == "lines"]
    for place, key in enumerate(KEYS):
        for part, names in ((0, list(MEASURES)), (3, [TOGETHER])):
            wanted = [direct[key]["layers"][layer][name] for name in names]
            assert points[place + part]["x"] == pytest.approx([value for value, _, _ in wanted], abs=1e-3)
            ends = [x for x in bars[place + part]["x"] if x is not None]
            assert ends == pytest.approx([end for _, low, high in wanted for end in (low, high)], abs=1e-3)
    words = said(page)
    assert f"In layer {layer + 1}, where the three say most, about" in words
    assert f"Read: all {texts.count_tokens(text):,} tokens" in words
    assert f"200 resamples in blocks of {direct['as_is']['block']} tokens" in words


def test_a_fresh_session_finds_the_answer_again(run: str, answer: Answer) -> None:
    page = panel(run)
    assert page.get("plotly_chart")
    assert not page.button


def test_the_chosen_layer_is_shown(run: str, answer: Answer) -> None:
    other = next(k for k in range(3) if k != sanity.shown_layer(answer, None))
    words = said(panel(run, layer=other))
    assert f"In layer {other + 1} about" in words
    assert f"surprise in layer {other + 1}" in words
    assert sanity.shown_layer(answer, 9) == sanity.shown_layer(answer, None)


def test_a_run_beside_one_with_an_answer_is_offered(run: str, answer: Answer, text: str, finish: Finish) -> None:
    other = runs.engine().submit(Job("mac", text, "Mind the step"))
    finish(other)
    page = panel(run, other)
    assert len(page.get("plotly_chart")) == 1
    assert [button.label.partition(":")[0] for button in page.button] == ["Compare"]


def test_a_text_that_is_too_short_is_said_once(finish: Finish) -> None:
    short = "The boats went out, and the boats came home. " * 8
    ids = [runs.engine().submit(Job(name, short, "Short")) for name in ("mac", "mal")]
    assert {finish(run).state for run in ids} == {"done"}
    page = panel(*ids)
    assert not page.button
    assert said(page).count(state.plain(f"The text has {texts.count_tokens(short)} tokens;")) == 1


def test_a_run_that_is_gone_fails_in_words(run: str, finish: Finish) -> None:
    check = runs.engine().submit(SanityCheck("f" * 32, "mal", "Gone"))
    assert finish(check).state == "failed"
    assert "not stored here any more" in runs.progress(check).message  # type: ignore[union-attr]


def test_what_cannot_be_checked_says_why(run: str) -> None:
    ds = runs.opened(run).ds  # type: ignore[union-attr]
    assert refusal(ds) == ""
    assert "no memory" in refusal(ds.drop_vars("surprise"))
    assert "at least 200" in refusal(ds.isel(token=slice(0, 150)))
    assert "not offered here" in refusal(ds.assign_attrs(checkpoint="../mal"))
    assert "other weights" in refusal(ds.assign_attrs(weights_sha256="0" * 64))
    without = {name: value for name, value in ds.attrs.items() if name != "weights_sha256"}
    assert "other weights" in refusal(xr.Dataset(ds.data_vars, ds.coords, without))


def test_settings_of_the_run_are_kept_or_refused(run: str) -> None:
    ds = runs.opened(run).ds  # type: ignore[union-attr]
    assert settings(ds.assign_attrs(settings='{"zero_reads": true}')) == tc.Settings(zero_reads=True)
    with pytest.raises(ConfigError, match="does not know"):
        settings(ds.assign_attrs(settings='{"warmth": 3}'))


def test_the_yardsticks_are_grey_and_dashed(answer: Answer) -> None:
    for palette in (LIGHT, DARK):
        drawn = plotted(sanity.figure(answer, 0, palette, palette.variants["mal"]))
        lines = [trace.line for trace in drawn.data if trace.mode == "lines"]
        assert [line.color for line in lines] == 2 * [palette.variants["mal"], palette.muted, palette.muted]
        assert [line.dash == "solid" for line in lines] == 2 * [True, False, False]
        assert len({line.dash for line in lines}) == 3


@pytest.mark.parametrize(
    ("shuffled", "words"),
    [
        ((0.1, 0.05, 0.29), "On the shuffled text it is 10 %, clearly less;"),
        ((0.1, 0.05, 0.31), "On the shuffled text it is 10 %, no clear difference;"),
        ((0.5, 0.41, 0.6), "On the shuffled text it is 50 %, clearly more;"),
        ((0.004, 0.0, 0.02), "On the shuffled text it is under 1 %, clearly less;"),
        ((math.nan, math.nan, math.nan), "On the shuffled text it is not defined;"),
    ],
)
def test_clearly_means_that_intervals_do_not_overlap(
    shuffled: tuple[float, float, float], words: str, answer: Answer
) -> None:
    own = changed(answer, "as_is", 1, TOGETHER, (0.35, 0.3, 0.4))
    told = sanity_words.sentence(changed(own, "shuffled", 1, TOGETHER, shuffled), 1, True).replace("\u00a0", " ")
    assert told.startswith("In layer 2 about 35 % of how surprise ranks the tokens follows from the three together ")
    assert "(95 % interval 30 to 40 %)" in told
    assert words in told


def test_a_layer_without_values_is_said_and_drawn(answer: Answer) -> None:
    nothing = answer
    for name in (*MEASURES, TOGETHER):
        nothing = changed(nothing, "as_is", 0, name, (math.nan, math.nan, math.nan))
    assert "nothing to compare" in sanity_words.sentence(nothing, 0, True)
    assert "this text not defined" in sanity_words.summary(nothing, 0)
    assert np.isnan(plotted(sanity.figure(nothing, 0, LIGHT, LIGHT.other)).data[1].x).all()
    assert sanity.shown_layer(nothing, None) != 0


def test_a_text_that_was_cut_is_said(answer: Answer) -> None:
    cut = answer | {"tokens": 19_998, "text_tokens": 61_000, "unit": "stretch", "units": 1_249}
    told = sanity_words.read(cut)
    assert "the first 19,998 of 61,000 tokens" in told
    assert "1,249 stretches of a few tokens in another order" in told


def test_the_table_holds_every_number(answer: Answer) -> None:
    note, table = sanity_words.table(answer)
    assert len(table) == 4 * 3
    for k, row in enumerate(table.to_dict("records")):
        name = [*MEASURES, TOGETHER][k % 4]
        assert (row["layer"], row["compared with"]) == (k // 4 + 1, sanity.WORDS[name])
        for reading in READINGS:
            shown = Estimate(*(row[f"{reading.words}{end}"] for end in ("", ", low", ", high")))
            assert shown == pytest.approx(sanity.estimate(answer, reading.key, k // 4, name), abs=1e-4)
    assert f"{answer['as_is']['layers'][0]['effective']:,.0f}" in note
