"""The page by AppTest: what is asked for, what is shown, what goes wrong and is said."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import runs, samples, state, theme
from app.jobs import Progress
from app.jobs.local import LocalEngine
from app.runs import server, texts
from app.views import controls
from tests import making
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


def paste(text: str) -> AppTest:
    page = open_page([])
    page.segmented_control(key="source").set_value("Paste").run()
    page.text_area(key="pasted").set_value(text).run()
    assert not page.exception
    return page


def captions(page: AppTest) -> str:
    return " ".join(caption.value for caption in page.sidebar.caption)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("  \n\t ", "text is blank"),
        ("All work and no play. " * 230_000, "5,060,000 characters. The page takes pastes of up to 1,000,000"),
    ],
    ids=["blank", "long"],
)
def test_a_text_that_cannot_run_is_refused_beside_it_before_run(text: str, words: str, store: Path) -> None:
    page = paste(text)
    assert words in said(page).replace("\\", "")
    assert page.button(key="run").disabled
    assert "Run waits for a text that can be run" in captions(page)
    assert "tokens" not in captions(page), "nothing is estimated of it"


def test_before_a_text_is_given_that_is_said_and_no_error(store: Path) -> None:
    page = paste("")
    assert "text is empty" in captions(page)
    assert "Run waits for a text" in captions(page)
    assert page.button(key="run").disabled
    assert not said(page)
    page.text_area(key="pasted").set_value("A word.").run()
    assert not page.button(key="run").disabled


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "word",
        "nul\0 and \x1b[31mcontrol\x7f characters",
        "שלום עולם وقال لا 👩‍👩‍👧‍👦 e\u0301 \u202eright to left\u202c",
        "<script>window.x=1</script> [a](javascript:x) $x^2$ :red[no] ![b](http://example.invalid/b.png)",
        "x" * 5000,
    ],
    ids=["one token", "one word", "controls", "rtl and emoji", "markup", "one long word"],
)
def test_odd_texts_run(text: str, finish: Finish, store: Path) -> None:
    page = settle(run_text(open_page([]), text), finish)
    assert heatmap(page)["runs"]
    assert not said(page)


def test_uploads(finish: Finish, store: Path) -> None:
    page = open_page([])
    page.segmented_control(key="source").set_value("Upload").run()
    assert "No file" in captions(page)
    assert page.button(key="run").disabled
    old = ("old.txt", "Le café est fermé, déjà".encode("cp1252"), "text/plain")
    page.file_uploader(key="upload").upload(*old).run()
    assert any("guessed" in w.value for w in page.sidebar.warning)
    page.selectbox(key="encoding").set_value("utf-8").run()
    assert "old.txt: byte 0xE9" in page.sidebar.error[0].value.replace("\\", "")
    assert len(page.sidebar.error) == 1, "it is said once"
    assert page.button(key="run").disabled
    page.selectbox(key="encoding").set_value("found out").run()
    page.file_uploader(key="upload").clear().upload("none.txt", b"", "text/plain").run()
    assert "empty" in said(page)
    page.file_uploader(key="upload").clear().upload(
        "*good* [x](y).md", "# Grüße\n\na good file.".encode(), "text/markdown"
    )
    page.run()
    assert any("1 section, 2 paragraphs, 21 characters" in c.value for c in page.sidebar.caption)
    assert page.sidebar.code[0].value == "# Grüße\n\na good file."
    page.button(key="run").click().run()
    page = settle(page, finish)
    assert page.title[0].value == state.plain("*good* [x](y).md")
    assert runs.opened(shown(page)[0]).ds.attrs["text"] == "# Grüße\n\na good file."  # type: ignore[union-attr]


def test_several_files_run_as_one_text_and_a_bad_one_is_named(store: Path) -> None:
    page = open_page([])
    page.segmented_control(key="source").set_value("Upload").run()
    files = [
        ("a.txt", b"One.", "text/plain"),
        ("b.bin", b"MZ" + b"\0" * 99, "x/y"),
        ("c.pdf", making.pdf(["Two."]), "x/y"),
    ]
    page.file_uploader(key="upload").set_value(files).run()
    assert not page.exception
    captions = [c.value for c in page.sidebar.caption]
    assert any("later ones begin at characters 6" in c for c in captions)
    assert any("1 of 3 files could not be read" in c for c in captions)
    assert "Windows program" in page.sidebar.error[0].value


def test_the_places_of_the_chosen_files_are_handed_on(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[controls.Request] = []
    monkeypatch.setattr(controls, "cost", asked.append)
    page = open_page([])
    assert asked[-1].document is None
    page.segmented_control(key="source").set_value("Upload").run()
    page.file_uploader(key="upload").set_value(
        [("a.md", b"# One\n\nWords.", "text/markdown"), ("b.pdf", making.pdf(["Two."]), "x/y")]
    ).run()
    document = asked[-1].document
    assert document is not None
    assert document.text == asked[-1].text == "# One\n\nWords.\n\nTwo."
    assert document.place(document.text.index("Two")) == "b.pdf, page 1, paragraph 1"


def test_what_was_read_of_a_file_is_kept_and_so_is_its_error(monkeypatch: pytest.MonkeyPatch) -> None:
    assert texts.document(b"words kept", "a.txt", None)[0].text == "words kept"  # type: ignore[union-attr]
    assert "empty" in texts.document(b"", "kept.txt", None)[1]
    monkeypatch.setattr(texts, "read_document", lambda *_: pytest.fail("read again"))
    assert texts.document(b"words kept", "a.txt", None)[0].text == "words kept"  # type: ignore[union-attr]
    assert "empty" in texts.document(b"", "kept.txt", None)[1]


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


def test_the_cost_is_said_before_a_long_run(store: Path) -> None:
    page = open_page([])
    page.segmented_control(key="source").set_value("Paste").run()
    page.text_area(key="pasted").set_value("All work and no play. " * 20_000).run()
    line = next(c.value for c in page.sidebar.caption if "tokens" in c.value)
    tokens = texts.count_tokens("All work and no play. " * 20_000)
    assert f"{tokens:,} tokens" in line
    assert "About" in line
    assert "MB" in line


def test_one_estimate_in_one_wording(finish: Finish, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "local", functools.cache(LocalEngine))  # one that has measured nothing yet
    page = paste("a")
    page.pills(key="checkpoints").set_value(["mac", "mag", "mal"]).run()
    assert "Under 1 s and 1 KB on disk for 1 token × 3 memories." in captions(page)
    page.text_area(key="pasted").set_value("All work and no play. " * 20_000).run()
    assert "memories, a guess until" in captions(page)
    server.local()._times.learn(
        {"checkpoint": "mac", "device": "cpu", "tokens": 1000, "seconds": 0.1, "bytes": 200_000}
    )
    page.pills(key="checkpoints").set_value(["mag"]).run()
    tokens = texts.count_tokens("All work and no play. " * 20_000)
    assert f"About {tokens / 10_000:.0f} s and" in captions(page), "as fast as the memory that was measured"
    assert "guess" not in captions(page)


def test_what_is_expected_to_take_a_while_is_said_without_false_precision() -> None:
    said = [theme.about(seconds) for seconds in (0.4, 1.2, 14.6, 130)]
    assert said == ["under 1 s", "about 1 s", "about 15 s", "about 2 min"]


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
