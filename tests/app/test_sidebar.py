"""The sidebar asks for what the page shows until somebody chooses, and then keeps what was chosen."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from app import runs, samples
from app.jobs import Job, Progress
from app.runs import texts
from app.views import controls, text_choice
from tests.app.test_explore import captions, open_page, settle, shown

PASTED = "A short text that somebody pasted, with a last line.\n"


@pytest.fixture(scope="module")
def run(finish: Callable[..., Progress]) -> Callable[..., str]:
    def make(checkpoint: str, text: str, title: str) -> str:
        made = runs.engine().submit(Job(checkpoint, text, title))
        assert finish(made).state == "done"
        return made

    return make


def asked(page: AppTest) -> tuple[str, list[str]]:
    return str(page.segmented_control(key="source").value), list(page.pills(key="checkpoints").value)


def ran(page: AppTest, finish: Callable[..., Progress]) -> list[tuple[str, str]]:
    """(checkpoint, text) of the runs that Run begins."""
    before = shown(page)
    settle(page.button(key="run").click().run(), finish)
    assert shown(page) != before
    made = [runs.opened(run) for run in shown(page)]
    return [(run.checkpoint, str(run.ds.attrs["text"])) for run in made if run is not None]


def test_a_link_to_a_sample_chooses_it_and_its_memories(
    run: Callable[..., str], finish: Callable[..., Progress]
) -> None:
    sample = samples.samples()[1]
    ids = [run("mal", sample.text, sample.title), run("mag", sample.text, sample.title)]
    page = open_page(ids)
    assert asked(page) == ("Sample", ["mag", "mal"])
    assert page.selectbox(key="sample").value == sample.title
    assert not any("another text" in caption.value for caption in page.sidebar.caption)
    assert ran(page, finish) == [("mag", sample.text), ("mal", sample.text)]


def test_a_link_to_a_pasted_text_puts_it_in_the_box(run: Callable[..., str], finish: Callable[..., Progress]) -> None:
    page = open_page([run("mag", PASTED, text_choice.PASTED)])
    assert asked(page) == ("Paste", ["mag"])
    assert page.text_area(key="pasted").value == PASTED
    assert ran(page, finish) == [("mag", PASTED)]


@pytest.mark.parametrize("title", ["notes.md", text_choice.PASTED])
def test_a_file_and_what_is_long_for_a_box_can_be_read_again(
    title: str, run: Callable[..., str], finish: Callable[..., Progress], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_choice, "BOX_MOST", 20)
    page = open_page([run("mag", PASTED, title)])
    assert asked(page) == ("Shown", ["mag"])
    assert any(f"{len(PASTED)} characters" in caption.value for caption in page.sidebar.caption)
    assert ran(page, finish) == [("mag", PASTED)]
    assert page.title[0].value == title.replace(".", "\\.")


def test_what_somebody_chose_is_not_overridden(finished: dict[str, str], run: Callable[..., str]) -> None:
    page = open_page([finished["mac"]])
    assert asked(page) == ("Shown", ["mac"])
    page.query_params["run"] = [finished["mag"]]  # as Back does
    page.run()
    assert asked(page) == ("Shown", ["mag"]), "nobody chose yet"
    page.pills(key="checkpoints").set_value(["mal", "lmm"]).run()
    page.query_params["run"] = [run("mag", PASTED, text_choice.PASTED)]
    page.run()
    assert asked(page) == ("Shown", ["mal", "lmm"])


def test_choices_outlast_another_page_and_another_source(finished: dict[str, str]) -> None:
    page = open_page([finished["mac"]])
    page.segmented_control(key="source").set_value("Paste").run()
    page.text_area(key="pasted").set_value(PASTED).run()
    page.pills(key="checkpoints").set_value(["mal"]).run()
    page.segmented_control(key="source").set_value("Sample").run()
    page._page_hash = calc_hash("compare")
    page.run()
    page._page_hash = calc_hash("explore")
    page.run()
    assert asked(page) == ("Sample", ["mal"])
    page.segmented_control(key="source").set_value("Paste").run()
    assert page.text_area(key="pasted").value == PASTED


def test_a_memory_that_is_not_offered_is_not_replaced_by_another(
    finished: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(controls.memories, "names", lambda: ("mac", "mal"))
    page = open_page([finished["mag"]])
    assert asked(page) == ("Shown", [])
    assert page.button(key="run").disabled
    assert "at least one memory" in captions(page)


def test_nothing_shown_is_said(store: object) -> None:
    page = open_page([])
    page.segmented_control(key="source").set_value("Shown").run()
    assert page.button(key="run").disabled
    assert "No text is shown yet" in captions(page)


def test_a_text_that_was_read_is_not_counted_again(finished: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "count_tokens", lambda text: pytest.fail("a million tokens would take a second"))
    page = open_page([finished["mac"]])
    tokens = runs.trace(finished["mac"]).sizes["token"]
    assert f"on disk for {tokens} tokens" in captions(page)
