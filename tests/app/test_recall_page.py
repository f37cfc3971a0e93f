"""The page Recall: what is asked for in its sidebar, what is said beside each field, and what an address shows."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import facts, memories, needles, runs, samples
from app.jobs import Probe, Progress, Subject
from app.views import fact_controls
from tests.app.conftest import TEXT
from titans_core.probes.places import find

Finish = Callable[..., Progress]
DOCUMENT = TEXT * 3


def open_page(subject: str | None = None) -> AppTest:
    def script() -> None:
        from app.views import recall

        recall.page()

    page = AppTest.from_function(script, default_timeout=60)
    if subject is not None:
        page.query_params["subject"] = subject
    page.run()
    assert not page.exception
    return page


def address(page: AppTest) -> str:
    name = page.query_params["subject"]
    return name if isinstance(name, str) else name[0]


def paste(text: str = DOCUMENT) -> AppTest:
    page = open_page()
    page.segmented_control(key="source").set_value("Paste").run()
    page.text_area(key="pasted").set_value(text).run()
    return page


def errors(page: AppTest) -> str:
    return " ".join(error.value for error in page.sidebar.error).replace("\\", "")


def captions(page: AppTest) -> str:
    return " ".join(caption.value for caption in page.caption).replace("\\", "")


@pytest.fixture(scope="module")
def asked(store: Path, finish: Finish) -> str:
    """The id of a subject that two memories were asked for, as the page asks."""
    page = paste()
    page.pills(key="probed").set_value(["mal", "mac"]).run()
    assert not page.button(key="probe").disabled
    page.button(key="probe").click().run()
    assert not page.exception
    name = address(page)
    for memory in ("mac", "mal"):
        assert finish(Probe("recall", name, memory, "").id).state == "done"
    return name


def test_the_address_shows_the_fact_and_what_every_memory_still_knows(asked: str) -> None:
    page = open_page(asked)
    assert page.title[0].value == "What does it still know?"
    assert f"Pasted text · fact planted at paragraph 2: “{facts.SENTENCE}”" in captions(page)
    keys = [chart.proto.id.rpartition("recall_")[2] for chart in page.get("plotly_chart")]
    assert [key for key in keys if key] == ["model", "memory_mac", "memory_mal"]
    found = runs.engine().answer(Probe("recall", asked, "mac", "").id)
    assert found is not None
    exact = sum(one["memory"]["exact"] for one in found["asked"])
    assert f"MAC at {exact} of {len(found['asked'])} points" in captions(page)


def test_the_sidebar_asks_for_what_the_address_is_about(asked: str) -> None:
    page = open_page(asked)
    assert page.segmented_control(key="source").value == "Paste"
    assert page.text_area(key="pasted").value == DOCUMENT
    assert page.segmented_control(key="fact_kind").value == fact_controls.PLANT
    assert page.text_area(key="fact_planted").value == facts.SENTENCE
    assert (page.slider(key="fact_depth").value, page.text_input(key="fact_answer").value) == (10, "7304416")
    assert page.pills(key="probed").value == ["mac", "mal"]
    assert not page.info
    assert page.button(key="probe").disabled
    assert "All of this was asked" in captions(page)
    page.pills(key="probed").set_value(["mac", "mag"]).run()
    assert not page.button(key="probe").disabled
    assert "× 2 memories" not in captions(page), "one of them has answered"
    page.slider(key="fact_depth").set_value(60).run()
    assert not page.sidebar.info, "it stands on the page, where it is seen"
    said = page.info[0].value.replace("\\", "")
    assert said.startswith("The sidebar asks for another document or fact; this page is about Pasted text, “One of")
    assert said.endswith("Press Probe.")
    page.text_area(key="fact_planted").set_value(" ").run()
    assert fact_controls.WAITS in page.info[0].value.replace("\\", ""), "of a refused one, too"


def test_what_is_being_answered_is_not_said_to_be_on_the_page(asked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = Progress("queued", "mac", "A log")
    monkeypatch.setattr(runs.engine(), "answer", lambda name: None)
    monkeypatch.setattr(runs, "progress", lambda name: waiting)
    said = captions(open_page(asked))
    assert "All of this is being answered." in said
    assert "its answers are on the page" not in said


def test_the_panels_offer_only_the_memories_that_are_chosen(asked: str, finish: Finish) -> None:
    def labels(page: AppTest, key: str) -> list[str]:
        return [button.label.partition(":")[0] for button in page.button if button.key == key]

    page = open_page(asked)
    assert labels(page, "needle_grid_start") == ["Run 12 cells"], "of the two memories that were asked"
    assert labels(page, "retention_start") == ["Map"]
    page.pills(key="probed").set_value(["mal"]).run()
    assert labels(page, "needle_grid_start") == ["Run 6 cells"]
    page.button(key="retention_start").click().run()
    assert finish(Probe("retention", asked, "mal", "").id).state == "done"
    page.pills(key="probed").set_value(["mag", "lmm"]).run()
    assert labels(page, "retention_start") == ["Map MAG, LMM"], "below the map of MAL"
    assert "MAL, all layers" in " ".join(element.value for element in page.markdown)
    assert runs.engine().progress(Probe("retention", asked, "mac", "").id) is None, "it was not chosen"
    page.pills(key="probed").set_value([]).run()
    assert not labels(page, "retention_start")
    assert not labels(page, "needle_grid_start")


def test_a_document_from_elsewhere_is_shown_again(store: Path) -> None:
    text = samples.samples()[2].text + " The end."
    place = find(text, text[50:90])
    name = runs.engine().keep_subject(Subject("log.pdf", *place, "words", "more", False, pages=(0, 60)))
    page = open_page(name)
    assert page.segmented_control(key="source").value == "Shown"
    assert page.text_area(key="fact_words").value == text[50:90]
    assert "log.pdf · fact stands at page 1" in captions(page)
    assert "log.pdf, 2 pages, " in captions(page)
    assert not page.info
    assert page.button(key="recall_start").label.startswith("Probe: takes")


def test_the_text_of_explore_can_be_asked_about_too(asked: str, finished: dict[str, str]) -> None:
    page = open_page(asked)
    page.session_state["shown"] = (finished["mac"],), None  # as Explore remembers it
    page.segmented_control(key="source").set_value("Shown").run()
    assert "The document on this page again" in captions(page)
    page.segmented_control(key="shown_where").set_value("In Explore").run()
    assert "The text that Explore shows: A test text" in captions(page)
    assert "The sidebar asks for another document or fact" in page.info[0].value


def test_a_run_is_no_document(finished: dict[str, str]) -> None:
    assert "not stored here any more" in open_page(finished["mac"]).warning[0].value


@pytest.mark.parametrize("name", ["f" * 32, "../../etc/passwd", "x", "A" * 32])
def test_an_address_of_nothing_says_so(name: str) -> None:
    page = open_page(name)
    assert "not stored here any more" in page.warning[0].value
    assert not page.button(key="probe").disabled, "a sample is chosen: that can be probed"


def test_a_probe_of_other_weights_is_not_shown(asked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memories, "weights", lambda name: "others")
    page = open_page(asked)
    assert not page.get("plotly_chart")
    assert page.button(key="recall_start").label.startswith("Probe: takes")


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("fact_planted", " ", "The fact is empty"),
        ("fact_planted", TEXT[:24], "stands in the document already"),
        ("fact_answer", "", "The answer is empty"),
        ("fact_answer", "blue", "is no part of the fact"),
        (
            "fact_planted",
            f"{'So ' * 167}it is 5.",
            "The sentence has 509 characters, and may have 500: shorten it by 9.",
        ),
        ("fact_answer", "5" * 501, "The answer has 501 characters, and may have 500: shorten it by 1."),
    ],
)
def test_what_is_wrong_is_said_beside_its_field(field: str, value: str, words: str) -> None:
    page = paste()
    (page.text_area if field == "fact_planted" else page.text_input)(key=field).set_value(value).run()
    assert not page.exception
    assert words in errors(page)
    assert page.button(key="probe").disabled
    assert fact_controls.WAITS in captions(page)


def test_an_empty_cue_and_one_that_swallows_the_answer_are_refused() -> None:
    page = paste()
    page.text_area(key="fact_cue").set_value("").run()
    assert "The cue is empty" in errors(page)
    page.text_input(key="fact_answer").set_value(".").run()
    page.text_area(key="fact_cue").set_value("The end)").run()
    assert "is one token with the end of the cue" in errors(page)
    assert page.button(key="probe").disabled


def test_words_of_the_document_are_found_or_not() -> None:
    page = paste()
    page.segmented_control(key="fact_kind").set_value(fact_controls.FIND).run()
    assert page.button(key="probe").disabled
    page.text_area(key="fact_words").set_value("No such words").run()
    assert "does not stand in the document" in errors(page)
    page.text_area(key="fact_words").set_value("a grand piano came home: 4190327 keys").run()
    assert (page.text_input(key="fact_answer").value, errors(page)) == ("4190327", "")
    assert page.text_area(key="fact_cue").value == "a grand piano came home:"
    assert not page.button(key="probe").disabled
    page.segmented_control(key="fact_kind").set_value(fact_controls.PLANT).run()
    assert page.text_area(key="fact_planted").value == facts.SENTENCE
    assert page.text_input(key="fact_answer").value == "7304416"


def test_a_fact_that_stands_several_times_says_which_is_taken() -> None:
    page = paste(f"One lantern stood there. {DOCUMENT}")
    page.segmented_control(key="fact_kind").set_value(fact_controls.FIND).run()
    page.text_area(key="fact_words").set_value("One lantern stood").run()
    assert " times in the document" not in captions(page)
    words = TEXT[:24]
    page.text_area(key="fact_words").set_value(words).run()
    assert f"These words stand {DOCUMENT.count(words)} times in the document." in captions(page)
    assert "it alone is taken out" in captions(page)


def test_an_answer_that_begins_the_fact_lacks_a_cue() -> None:
    page = paste()
    page.text_area(key="fact_planted").set_value("The door code is 5.").run()
    page.text_input(key="fact_answer").set_value("The door").run()
    assert "The answer begins the fact, so nothing stands before it that could be the cue; give the cue" in errors(page)
    page.text_input(key="fact_answer").set_value("The door code is 5.").run()
    assert "The answer is the whole fact, so nothing stands before it" in errors(page)


def test_a_fact_with_nothing_after_it_and_no_memory_are_said() -> None:
    page = paste()
    page.slider(key="fact_depth").set_value(100).run()
    assert "After the fact 0 tokens are left" in errors(page) or "Take a longer document" in errors(page)
    page.slider(key="fact_depth").set_value(0).run()
    page.pills(key="probed").set_value([]).run()
    assert page.button(key="probe").disabled
    assert "Choose at least one memory." in captions(page)


def test_no_document_waits_for_one() -> None:
    page = open_page()
    for source, words in (("Upload", "No file is chosen yet"), ("Shown", "No text is shown yet")):
        page.segmented_control(key="source").set_value(source).run()
        assert not page.exception
        assert words in captions(page)
        assert "Probe waits for a document." in captions(page)
        assert page.button(key="probe").disabled


def test_another_sentence_brings_its_answer_and_cue() -> None:
    page = paste()
    page.text_area(key="fact_planted").set_value("The keeper's dog is called Bramble.").run()
    assert page.text_input(key="fact_answer").value == "Bramble"
    assert page.text_area(key="fact_cue").value == "The keeper's dog is called"
    page.text_input(key="fact_answer").set_value("dog").run()
    assert page.text_area(key="fact_cue").value == "The keeper's"
    page.text_area(key="fact_planted").set_value("The keeper's old dog is called Kes.").run()
    assert page.text_input(key="fact_answer").value == "dog", "it is part of this one too"


def test_the_files_hold_what_the_memories_said(asked: str) -> None:
    from starlette.applications import Starlette
    from starlette.testclient import TestClient

    from app.exports.routes import ROUTES

    client = TestClient(Starlette(routes=ROUTES))
    address = "/titanscope/export/recall"
    reply = client.get(address, params={"subject": asked, "as": "json"})
    told = json.loads(reply.content)
    assert (told["fact"], told["answer"]) == (facts.SENTENCE, "7304416")
    assert [one["checkpoint"] for one in told["results"]] == ["mac", "mal"]
    found = runs.engine().answer(Probe("recall", asked, "mal", "").id)
    assert {key: told["results"][1][key] for key in found or {}} == found
    rows = list(csv.DictReader(io.StringIO(client.get(address, params={"subject": asked}).text)))
    assert {row["checkpoint"] for row in rows} == {"mac", "mal"}
    assert {"cosine", "loss_removed", "p_memory", "p_zeroed"} <= {row["measure"] for row in rows}
    before = {
        (row["layer"], row["value"]) for row in rows if (row["checkpoint"], row["measure"]) == ("mal", "cosine_before")
    }
    assert before == {(str(k), str(value)) for k, value in enumerate((found or {})["held"]["cosine_before"])}
    assert reply.headers["content-disposition"].startswith('attachment; filename="recall-pasted-text-')
    for query in ({"subject": "f" * 32}, {"subject": asked, "as": "exe"}, {}):
        assert client.get(address, params=query).status_code == 404


def test_a_browser_that_missed_what_was_put_into_a_field_hears_of_it_again() -> None:
    page = paste().run()
    assert page.text_area(key="fact_planted").proto.default == facts.SENTENCE
    assert page.text_input(key="fact_answer").proto.default == "7304416"
    assert list(page.slider(key="fact_depth").proto.default) == [10]
    assert list(page.pills(key="probed").proto.default) == [0, 1, 2]


def test_the_files_of_the_other_panels_can_be_drawn(asked: str, finish: Finish, tmp_path: Path) -> None:
    from starlette.applications import Starlette
    from starlette.testclient import TestClient

    from app.exports.routes import ROUTES
    from app.exports.written import drawings

    options = {"task": "word", "haystack": "document", "lengths": [512], "depths": [0.0], "n": 1, "seed": 0}
    for probe in (Probe("retention", asked, "mac", ""), Probe("grid", asked, "mac", "", needles.given(options))):
        runs.engine().submit(probe)
        assert finish(probe.id).state == "done"
    client = TestClient(Starlette(routes=ROUTES))
    of = {"subject": asked, "grid": needles.address(options), "as": "json"}
    for kind, names in (("retention", "retention-pasted"), ("grid", "needles-pasted")):
        reply = client.get(f"/titanscope/export/{kind}", params=of)
        assert names in reply.headers["content-disposition"]
        (tmp_path / f"{kind}.json").write_bytes(reply.content)
        assert drawings(tmp_path / f"{kind}.json"), "as the commands write it"
    told = json.loads((tmp_path / "grid.json").read_bytes())
    assert told["haystack"] == hashlib.sha256(DOCUMENT.encode()).hexdigest(), "as `titans niah` reads the file"
    (row,) = csv.DictReader(io.StringIO(client.get("/titanscope/export/grid", params=of | {"as": "csv"}).text))
    assert (row["checkpoint"], row["right"]) == ("mac", str(told["results"][0]["right"]))
    for wrong in ({"grid": "x"}, {"subject": "f" * 32}, {"as": "exe"}):
        assert client.get("/titanscope/export/grid", params=of | wrong).status_code == 404


def test_the_menu_offers_what_was_found(asked: str, finish: Finish, monkeypatch: pytest.MonkeyPatch) -> None:
    menus: list[tuple[dict[str, str], dict[str, str]]] = []
    monkeypatch.setattr(
        "app.views.recall_export.download",
        lambda rows, figures, **rest: menus.append(({row["label"]: row["note"] for row in rows}, figures)),
    )
    options = {"task": "word", "haystack": "document", "lengths": [512], "depths": [0.5], "n": 1, "seed": 0}
    for probe in (Probe("retention", asked, "mal", ""), Probe("grid", asked, "mac", "", needles.given(options))):
        runs.engine().submit(probe)
        assert finish(probe.id).state == "done"
    page = open_page(asked)
    rows, figures = menus[-1]
    assert "MAL" in rows["Retention"]
    assert "Needle grid" not in rows, "none of this one was run"
    keys = {chart.proto.id.partition("retention_")[2] for chart in page.get("plotly_chart")} - {""}
    assert len(keys) == 2
    assert all(figures[f"retention_{key}"].endswith(f", {key.rpartition('_')[2].upper()}") for key in keys)
    page.query_params["grid"] = needles.address(options)
    page.run()
    assert menus[-1][0]["Needle grid"] == "cells of MAC"
