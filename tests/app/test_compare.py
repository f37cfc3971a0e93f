"""The Compare page by AppTest, and what it is made of: names, physics, differences, the order of events."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from app import comparisons, naming, routes, runs
from app.figures import order_of_events, scale
from app.jobs import Job, Progress
from app.views.physics import Asked, problems
from tests.app.conftest import TEXT
from tests.app.test_routes import ask, unpack
from titans_core.interventions import intervene
from titans_core.probes.comparing import align, difference, furthest

MAIN = Path(__file__).parents[2] / "app" / "main.py"


@pytest.fixture(scope="module")
def wiped(finished: dict[str, str], finish: Callable[..., Progress]) -> str:
    """A run of MAG whose memory is emptied before token 21, as people count."""
    run = runs.engine().submit(Job("mag", TEXT, "A test text", changes=("wipe=20",)))
    assert finish(run).state == "done"
    return run


def open_page(ids: list[str]) -> AppTest:
    page = AppTest.from_file(str(MAIN), default_timeout=60)
    page._page_hash = calc_hash("compare")
    page.query_params["run"] = ids
    page.run()
    assert not page.exception
    return page


def texts(page: AppTest) -> dict[bool, dict[str, Any]]:
    """What the text of the runs (False) and that of the difference (True) are told."""
    told = [json.loads(e.proto.json) for e in page.get("bidi_component") if "text_heatmap" in e.proto.component_name]
    return {"minus" in one: one for one in told}


def said(page: AppTest) -> str:
    return " ".join(element.value for kind in ("error", "warning", "info") for element in page.get(kind))


def test_two_runs_and_their_difference(finished: dict[str, str], wiped: str) -> None:
    told = texts(open_page([finished["mag"], finished["mac"], wiped]))
    assert [run["label"] for run in told[False]["runs"]] == ["MAG", "MAC", "MAG · wipe at token 21"]
    assert [run["id"] for run in told[True]["runs"]] == [wiped], "the last minus the first"
    assert (told[True]["minus"]["run"], told[True]["minus"]["cone"]) == (finished["mag"], 20)
    first, _, last = told[False]["runs"]
    assert first["colours"]["light"] != last["colours"]["light"]
    assert first["dash"] != last["dash"]


@pytest.mark.parametrize(
    ("changes", "layer"),
    [
        (("theta[1]*=0.5",), 1),
        (("theta[2]*=0.5", "alpha[1]*=2"), 1),
        (("theta[2]*=0.5", "alpha*=2"), 0),
        (("theta[2]*=0.5", "wipe=3"), 0),
        ((), 0),
    ],
)
def test_the_lowest_layer_that_an_intervention_reaches(
    changes: tuple[str, ...], layer: int, finished: dict[str, str]
) -> None:
    ds = runs.trace(finished["mag"])
    changed = ds.assign_attrs(settings=json.dumps(intervene(*changes).to_dict()))
    assert naming.lowest(changed, ds) == naming.lowest(ds, changed) == layer
    assert naming.lowest(changed, runs.trace(finished["mac"])) == 0


def test_layers_below_an_intervention_are_the_same_and_that_is_said(
    finished: dict[str, str], finish: Callable[..., Progress]
) -> None:
    run = runs.engine().submit(Job("mag", TEXT, "A test text", changes=("theta[1]*=0.5",)))
    assert finish(run).state == "done"
    page = open_page([finished["mag"], run])
    assert any("begins in layer 2: Layer 1 cannot differ" in caption.value for caption in page.caption)
    one, other = runs.trace(finished["mag"]), runs.trace(run)
    np.testing.assert_array_equal(one["surprise"].values[0], other["surprise"].values[0])
    assert (one["surprise"].values[1:] != other["surprise"].values[1:]).any()


def test_a_link_says_which_two_and_whether_by_ratio(finished: dict[str, str]) -> None:
    page = AppTest.from_file(str(MAIN), default_timeout=60)
    page._page_hash = calc_hash("compare")
    page.query_params.update({"run": list(finished.values()), "a": "1", "b": "2", "by": "ratio"})
    page.run()
    minus = texts(page)[True]
    assert [run["id"] for run in minus["runs"]] == [finished["mac"]]
    assert (minus["minus"]["run"], minus["minus"]["ratio"]) == (finished["mag"], True)
    assert any("MAC − MAG" in m.value for m in page.markdown)  # the passages are of the same two
    figure = next(
        json.loads(e.proto.json)
        for e in page.get("bidi_component")
        if '"kind": "timelines"' in e.proto.json or '"kind":"timelines"' in e.proto.json
    )
    assert {name: figure["link"][name] for name in ("a", "b", "by")} == {"a": "1", "b": "2", "by": "ratio"}


def test_too_many_too_few_and_mixed_runs_are_said(finished: dict[str, str], finish: Callable[..., Progress]) -> None:
    seven = [*finished.values(), *(f"{k:032x}" for k in range(4))]
    assert "Up to 6 runs" in said(open_page(seven))
    assert "One run is not a comparison" in said(open_page([finished["mac"]]))
    other = runs.engine().submit(Job("mag", "Quite another text.", "Other"))
    finish(other)
    assert "different texts" in said(open_page([finished["mac"], other]))


def test_impossible_physics_are_refused_and_nothing_runs(finished: dict[str, str]) -> None:
    page = open_page([finished["mac"], finished["mag"]])
    page.number_input(key="x_wipe").set_value(100_000).run()
    page.number_input(key="x_theta").set_value(-1).run()
    page.number_input(key="x_chunk").set_value(0).run()
    assert not page.exception
    beside = [element.value for kind in ("caption", "markdown") for element in page.sidebar.get(kind)]
    for words in ("3 settings below cannot be run", "multiplied by", "cannot be wiped at token", "update chunk cannot"):
        assert sum(words in caption for caption in beside) == 1, words
    assert page.button(key="run_against").disabled
    for key, value in (("x_wipe", 5), ("x_theta", 1.0), ("x_chunk", None)):
        page.number_input(key=key).set_value(value).run()
    assert not page.button(key="run_against").disabled
    assert not any("cannot" in markdown.value for markdown in page.sidebar.markdown)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (Asked(theta=-0.5), "at least 0"),
        (Asked(eta=float("inf")), "at least 0"),
        (Asked(theta=2, layer=4), "layers 1 to 3"),
        (Asked(wipe=0), "tokens 1 to 90"),
        (Asked(freeze=91), "tokens 1 to 90"),
        (Asked(freeze=0.5), "from token 0.5; this text has tokens 1 to 90"),
        (Asked(wipe=2.5), "at token 2.5; this text has tokens 1 to 90"),
        (Asked(freeze=1_000_000_000), "from token 1,000,000,000; this text has"),
        (Asked(chunk=513), "1 to 512"),
        (Asked(theta=0.5, layer=3, wipe=90, freeze=1, chunk=512), ""),
    ],
)
def test_physics_are_checked_as_people_count(asked: Asked, words: str) -> None:
    found = problems(asked, 3, 90)
    assert words in " ".join(found.values())
    assert len(found) == bool(words)


def test_every_impossible_setting_is_named() -> None:
    assert list(problems(Asked(theta=-1, alpha=-1, freeze=0, wipe=91), 3, 90)) == ["theta", "alpha", "freeze", "wipe"]


def test_physics_become_interventions() -> None:
    asked = Asked(theta=0.5, layer=2, momentum_off=True, reads_off=True, freeze=7, wipe=200, chunk=4)
    assert asked.changes == ("theta[1]*=0.5", "momentum=off", "reads=off", "freeze=6", "wipe=199", "chunk=4")
    assert naming.words(intervene(*asked.changes)) == [
        "θ×0.5 in layer 2",
        "η=0",
        "reads zeroed",
        "frozen from token 7",
        "wipe at token 200",
        "chunk 4",
    ]
    assert Asked().changes == ()


def test_the_route_sends_the_difference(finished: dict[str, str], traces: list[xr.Dataset]) -> None:
    query = f"run={finished['mal']}&minus={finished['mac']}&signal=surprise&signal=gate"
    header, sections = unpack(ask(routes.values, query).body)
    values = align([traces[2], traces[0]], "surprise").values
    np.testing.assert_array_equal(sections["0/surprise"], difference(*values).astype(np.float32))
    assert list(sections) == ["0/surprise"], "only MAG has a gate"
    assert header["scales"]["surprise"]["high"] == -header["scales"]["surprise"]["low"] > 0
    _, sections = unpack(ask(routes.values, query + "&ratio=1&from=3&to=9").body)
    expected = difference(*values, ratio=True).astype(np.float32)[3:9]
    np.testing.assert_array_equal(sections["0/surprise"], expected)
    assert ask(routes.values, f"run={finished['mal']}&minus={'0' * 32}&signal=surprise").status_code == 404


def test_nothing_differs_before_the_wipe(finished: dict[str, str], wiped: str) -> None:
    values = comparisons.difference(wiped, finished["mag"], "surprise", None, False)
    assert not values[:20].any()
    assert values[20:].any()
    one, other, third = (runs.trace(run) for run in (wiped, finished["mag"], finished["mac"]))
    assert (naming.begins(one, other), naming.begins(other, one)) == (20, 20)
    assert naming.begins(one, one) is None
    assert naming.begins(one, third) is None


def test_the_scale_of_a_difference_is_centred() -> None:
    found = scale.centred(np.array([-1.0, 0.5, np.nan, 0.25] * 50, np.float32))
    assert (found.low, found.high) == (-1.0, 1.0)
    assert scale.centred(np.zeros(9)).rule == "no difference"
    assert scale.centred(np.full(9, np.nan)).rule == "nothing is defined in both"


def test_passages_of_a_difference_are_signed() -> None:
    values, start = np.zeros(60), 5 * np.arange(60)
    values[10], values[40] = 3.0, -6.0
    listed = furthest(values, start, start + 4, "".join(f"w{k:03d} " for k in range(60)))
    assert [(p.token, p.value) for p in listed] == [(40, -1.0), (10, 0.5)]


def test_a_run_that_diverged_says_where(traces: list[xr.Dataset]) -> None:
    assert naming.diverged(traces[0]) == ""
    lost = traces[1].assign_attrs(diverged=json.dumps({"token": 8, "layer": 1}))
    assert "MAG diverged: at token 9 " in naming.diverged(lost)
    assert "layer 2" in naming.diverged(lost)


def test_the_order_of_events_is_that_of_the_variants() -> None:
    assert order_of_events.summary("mac").endswith("read past, then attend, then write y, then read, then gate.")
    assert "attend and at the same time write x, then read, then gate" in order_of_events.summary("mag")
    assert order_of_events.summary("mal").endswith("write x, then read, then add, then attend, then add.")
    assert "MAL" not in order_of_events.drawing(["mac", "mag"])
    assert order_of_events.drawing(["transformer"]) == ""


def test_an_address_without_a_run_is_said(store: Path) -> None:
    assert "does not name a run" in said(open_page(["<script>"]))
    assert "does not name a run" not in said(open_page([]))


def test_what_a_link_asks_for_in_vain_is_said(finished: dict[str, str]) -> None:
    page = AppTest.from_file(str(MAIN), default_timeout=60)
    page._page_hash = calc_hash("compare")
    page.query_params["run"] = [finished["mac"], finished["mag"]]
    page.query_params.update({"a": "5", "range": "3-99999"})
    page.run()
    assert "not possible here: range=3-99999, a=5." in said(page).replace("\\", "")


def test_runs_of_one_token_have_nothing_to_agree_on(finish: Callable[..., Progress]) -> None:
    ids = [runs.engine().submit(Job(name, "a", "A")) for name in ("mac", "mag")]
    for run in ids:
        finish(run)
    page = open_page(ids)
    lines = " ".join(caption.value for caption in page.main.caption).replace("\\", "")
    for words in ("a passage is 6", "too few tokens, 1 of at least 64", "no token is predicted by both"):
        assert words in lines, words
