"""The page by AppTest: what is asked for, what is shown, what goes wrong and is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import runs, samples, state
from app.jobs import Progress
from tests.app.conftest import TEXT

MAIN = Path(__file__).parents[2] / "app" / "main.py"
Finish = Callable[..., Progress]


def open_page(ids: list[str] | None = None) -> AppTest:
    page = AppTest.from_file(str(MAIN), default_timeout=60)
    if ids:
        page.query_params["run"] = ids
    elif ids is not None:
        page.session_state["seen"] = True  # not a newcomer: nothing runs by itself
    page.run()
    assert not page.exception
    return page


def shown(page: AppTest) -> list[str]:
    """The ids in the address."""
    ids = page.query_params["run"]
    return [ids] if isinstance(ids, str) else list(ids)


def settle(page: AppTest, finish: Finish) -> AppTest:
    """Wait for the runs in the address, then draw the page again."""
    for run in shown(page):
        finish(run)
    page.run()
    assert not page.exception
    return page


def run_text(page: AppTest, text: str) -> AppTest:
    page.segmented_control(key="source").set_value("Paste").run()
    page.text_area(key="pasted").set_value(text).run()
    page.button(key="run").click().run()
    assert not page.exception
    return page


def heatmap(page: AppTest) -> dict:
    (element,) = [e for e in page.get("bidi_component") if "text_heatmap" in e.proto.component_name]
    return json.loads(element.proto.json)


def figures(page: AppTest) -> list[dict]:
    """What the timelines and the layer map are told to draw."""
    drawn = [e for e in page.get("bidi_component") if e.proto.component_name.endswith("titanscope.figures")]
    return [json.loads(element.proto.json) for element in drawn]


def said(page: AppTest) -> str:
    return " ".join(element.value for kind in ("error", "warning", "info") for element in page.get(kind))


def test_a_newcomer_sees_the_first_sample_run_by_itself(finish: Finish, store: Path) -> None:
    page = settle(open_page(), finish)
    assert page.title[0].value == samples.samples()[0].title
    facts = heatmap(page)
    assert [run["label"] for run in facts["runs"]] == ["MAC"]
    assert facts["selected"] is not None
    assert [figure["kind"] for figure in figures(page)] == ["timelines", "layer_map"]
    other = open_page()
    assert shown(other) == shown(page), "two newcomers share one run"


def test_pasted_text_through_three_memories(finish: Finish, store: Path) -> None:
    page = open_page([])
    page.pills(key="checkpoints").set_value(["mag", "mac", "mal"]).run()
    page = settle(run_text(page, "The boats went out. " * 20 + "A piano came home."), finish)
    assert [run["label"] for run in heatmap(page)["runs"]] == ["MAC", "MAG", "MAL"]
    assert page.title[0].value == "Pasted text"
    lines = [caption.value for caption in page.main.caption]
    assert any("MAG, memory as gate" in line for line in lines)
    assert any("3 memories" in caption.value for caption in page.sidebar.caption)
    specs = [json.loads(chart.proto.spec) for chart in page.get("plotly_chart")]
    assert [len(spec["data"]) for spec in specs] == [15, 6, 3, 3]  # memory over time, its way, moves, lineage
    assert [figure["runs"] for figure in figures(page)] == [shown(page)] * 2


def test_a_fresh_session_finds_the_runs_of_the_address(finished: dict[str, str]) -> None:
    page = open_page(list(finished.values()))
    assert page.title[0].value == "A test text"
    assert heatmap(page)["key"] == " ".join(finished.values())


def test_a_fresh_session_attaches_to_a_run_that_is_going(finish: Finish, store: Path) -> None:
    first = open_page([])
    first = run_text(first, "One more line about the sea and the quay. " * 250)
    ids = shown(first)
    second = open_page(ids)
    assert second.get("progress") or runs.progress(ids[0]).state == "done"  # type: ignore[union-attr]
    assert heatmap(settle(second, finish))["key"] == ids[0]


def test_cancel_is_offered_and_said(finish: Finish, store: Path) -> None:
    page = run_text(open_page([]), "Some more words for the memory to read. " * 2000)
    page.button(key="cancel").click().run()
    page = settle(page, finish)
    assert "cancelled" in said(page)


def test_what_was_shown_stays_while_another_text_is_read_and_after_its_cancel(
    finished: dict[str, str], finish: Finish
) -> None:
    before = finished["mac"]
    page = run_text(open_page([before]), "Some more words for the memory to read. " * 2000)
    assert shown(page) != [before]
    assert heatmap(page)["key"] == before
    page.button(key="cancel").click().run()
    going = [run for run in shown(page) if run != before]
    for run in going:
        finish(run)
    page.run()
    assert not page.exception
    assert "cancelled" in said(page)
    assert heatmap(page)["key"] == before
    assert shown(page) == [before], "a link to the page is one to what it shows"
    assert page.query_params["token"] == figures(page)[0]["link"]["token"], "and where, at once"
    page.run()
    assert "cancelled" in said(page), "until the next run is begun"
    page.button(key="run").click().run()
    assert "cancelled" not in said(page)


def test_the_sidebar_says_when_the_page_shows_another_text(finished: dict[str, str]) -> None:
    words = "The page shows another text"
    page = open_page([finished["mac"]])
    page.segmented_control(key="source").set_value("Sample").run()
    assert any(words in caption.value for caption in page.sidebar.caption)
    page.segmented_control(key="source").set_value("Paste").run()
    page.text_area(key="pasted").set_value(TEXT).run()
    assert not any(words in caption.value for caption in page.sidebar.caption)


def captions(page: AppTest) -> str:
    return " ".join(caption.value for caption in page.sidebar.caption)


def test_no_memory_chosen(store: Path) -> None:
    page = open_page([])
    page.pills(key="checkpoints").set_value([]).run()
    assert page.button(key="run").disabled
    assert "at least one memory" in captions(page)


@pytest.mark.parametrize("run", ["0" * 32, "../../etc/passwd", "<script>", ""])
def test_wrong_addresses_are_said(run: str, store: Path) -> None:
    page = open_page([run])
    assert ("stored here" in said(page)) or ("does not name a run" in said(page))


def test_a_failed_run_says_why(store: Path, finish: Finish) -> None:
    run = runs.engine().submit(runs.Job("mac", "half a pair \ud83d", "t"))
    finish(run)
    page = open_page([run])
    assert "surrogate" in said(page)
    assert "MAC" in said(page)


def test_words_of_people_are_shown_as_written() -> None:
    assert state.plain("a*b [c](d) <e> :red[f] $g$") == r"a\*b \[c\]\(d\) \<e\> \:red\[f\] \$g\$"


def test_the_look_is_held_to_what_the_runs_have(finished: dict[str, str]) -> None:
    page = open_page([finished["mac"]])
    page.session_state["signal"] = "gate"
    page.session_state["layer"] = 9
    page.session_state["token"] = 10**9
    page.run()
    assert not page.exception
    facts = heatmap(page)
    assert (facts["signal"], facts["layer"], facts["selected"]) == ("surprise", None, None)
    for figure in figures(page):
        assert (figure["look"]["signal"], figure["look"]["layer"], figure["look"]["token"]) == ("surprise", None, None)


def test_what_a_link_asks_for_in_vain_is_said_once(finished: dict[str, str]) -> None:
    page = AppTest.from_file(str(MAIN), default_timeout=60)
    page.query_params["run"] = [finished["mac"], "<b>"]
    page.query_params.update({"token": "99999", "signal": "gate", "layer": "2", "map": "max"})
    page.run()
    assert not page.exception
    words = said(page).replace("\\", "")
    assert words.startswith("Left out of this link, as it is not possible here: signal=gate, token=99999, run=<b>.")
    facts = heatmap(page)
    assert (facts["signal"], facts["layer"]) == ("surprise", 1)
    assert facts["selected"] is not None
    page.run()
    assert said(page) == ""


def test_a_link_brings_back_the_kind_of_passages_the_path_and_the_search(finished: dict[str, str]) -> None:
    page = AppTest.from_file(str(MAIN), default_timeout=60)
    page.query_params["run"] = [finished["mac"]]
    page.query_params.update({"passages": "lasting", "path": "3", "find": "boats", "match": "2"})
    page.run()
    assert not page.exception
    assert said(page) == ""
    (kind,) = [one for one in page.segmented_control if one.label == "Passages"]
    (path,) = [one for one in page.segmented_control if one.label == "Layer of the path"]
    assert (kind.value, path.value) == ("lasting", 2)
    assert (heatmap(page)["find"], heatmap(page)["match"]) == ("boats", 1)
    told = figures(page)[0]["link"]
    assert (told["passages"], told["path"], told["find"], told["match"]) == ("lasting", "3", "boats", "2")
    kind.set_value("forgotten").run()
    path.set_value(0).run()
    page.run()
    told = figures(page)[0]["link"]
    assert (told["passages"], told["path"]) == ("forgotten", None)
    (kind,) = [one for one in page.segmented_control if one.label == "Passages"]
    kind.set_value("surprise").run()
    page.run()
    assert figures(page)[0]["link"]["passages"] is None


@pytest.mark.parametrize("signal", ["nll", "gate", "alignment", "share_memory", "alpha"])
def test_each_kind_of_signal_draws(signal: str, finished: dict[str, str]) -> None:
    page = open_page(list(finished.values()))
    page.session_state["signal"] = signal
    page.session_state["layer"] = 1
    page.run()
    assert not page.exception
    assert heatmap(page)["signal"] == signal


def test_a_damaged_stored_run_is_said(finish: Finish, store: Path) -> None:
    run = runs.engine().submit(runs.Job("mac", "A text whose trace is damaged later.", "Damaged"))
    finish(run)
    for part in (store / run / "trace.zarr").rglob("c"):
        for path in part.rglob("*"):
            if path.is_file():
                path.write_bytes(b"not a chunk")
    page = open_page([run])
    assert "cannot be read" in said(page)
    page = settle(run_text(page, "The next good run works."), finish)
    assert heatmap(page)["runs"]


def test_runs_of_different_texts_are_not_mixed(finished: dict[str, str], finish: Finish) -> None:
    other = runs.engine().submit(runs.Job("mag", "Another text altogether.", "Other"))
    finish(other)
    page = open_page([finished["mac"], other])
    assert "different texts" in said(page)
    assert heatmap(page)["key"] == finished["mac"]
