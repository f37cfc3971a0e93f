"""Which text the Explore page is given: what is refused, what is read of files, and what a run will cost."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import runs, state, theme
from app.jobs import Progress
from app.jobs.local import LocalEngine
from app.runs import server, texts
from app.views import controls
from tests import making
from tests.app.test_explore import captions, heatmap, open_page, run_text, said, settle, shown

Finish = Callable[..., Progress]


def paste(text: str) -> AppTest:
    page = open_page([])
    page.segmented_control(key="source").set_value("Paste").run()
    page.text_area(key="pasted").set_value(text).run()
    assert not page.exception
    return page


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
