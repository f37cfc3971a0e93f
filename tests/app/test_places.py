"""Where in its document a token stood is said beside it, on the page and in what is taken away."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from app import runs
from app.exports import report, signals
from app.exports.names import View
from app.jobs import Job, Progress
from app.runs import traced
from app.views import controls
from tests import making
from tests.app.test_explore import open_page, settle, shown
from tests.app.test_explore_words import cards, token_card

Finish = Callable[..., Progress]
WORDS = "The lamp was lit at six, and the boats went out. Then a grand piano came home over the water."
FILES = [
    ("=1+1.md", f"# Before\n\n{WORDS}".encode(), "text/markdown"),
    (
        "a <b>paper.pdf",
        making.pdf([WORDS, "Second page, of whales singing on the stairs at noon."], outline="Whales"),
        "x",
    ),
]
LAST = "a <b>paper.pdf, page 2, Whales, paragraph 2"


@pytest.fixture(scope="module")
def run(finish: Finish) -> runs.Run:
    """Of both files as one text, through the page."""
    page = open_page([])
    page.segmented_control(key="source").set_value("Upload").run()
    page.file_uploader(key="upload").set_value(FILES).run()
    page.button(key="run").click().run()
    found = runs.opened(shown(settle(page, finish))[0])
    assert found is not None
    return found


def test_the_token_card_and_the_passages_say_where(run: runs.Run) -> None:
    page = open_page([run.id])
    page.session_state["token"] = run.ds.sizes["token"] - 1
    page.run()
    assert token_card(page)["stood"] == LAST
    listed = next(card["passages"] for card in cards(page) if "passages" in card)
    assert listed
    for passage in listed:
        assert passage["stood"] == run.stood(passage["token"]) != ""


def test_the_shown_text_is_asked_for_with_its_places(run: runs.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[controls.Request] = []
    monkeypatch.setattr(controls, "cost", asked.append)
    open_page([run.id])
    assert asked[-1].document == run.document
    assert run.document is not None
    assert run.document.place(len(run.document.text) - 1) == LAST


def test_the_exports_say_where(run: runs.Run) -> None:
    expected = [run.stood(token) for token in range(run.ds.sizes["token"])]
    assert expected[-1] == LAST
    assert expected[3].startswith("=1+1.md, Before, paragraph")
    data = b"".join(signals.csv(run))
    assert b"# places" not in data, "the offsets themselves are in the store"
    column = pd.read_csv(io.BytesIO(data), comment="#", quotechar='"')["place"]
    assert [place.removeprefix("'") for place in column] == expected
    assert not column.str.startswith("=").any()
    table = pq.read_table(io.BytesIO(b"".join(signals.parquet(run))))
    assert table["place"].to_pylist() == expected
    found = {run.id: traced.found(run.id, "surprise", None)}
    said = report.report([run], View("surprise", None, run.ds.sizes["token"] - 1), found)
    assert '<p class="soft">a &lt;b&gt;paper.pdf, page 2, Whales, paragraph 2</p>' in said
    assert all(f", {report.escape(run.stood(p.token))}</span>" in said for p in found[run.id])


def test_a_run_of_a_plain_text_says_nothing(finished: dict[str, str]) -> None:
    page = open_page([finished["mac"]])
    page.session_state["token"] = 5
    page.run()
    assert token_card(page)["stood"] == ""
    found = runs.opened(finished["mac"])
    assert found is not None
    assert (found.document, found.places) == (None, "")


def test_a_job_with_places_of_another_text_fails_in_words(finish: Finish) -> None:
    at = finish(runs.engine().submit(Job("mac", "Short.", "x", places='{"version":1,"kind":"pdf","pages":[99]}')))
    assert (at.state, "number 1 of its pages" in at.message) == ("failed", True)


def test_a_run_with_other_physics_keeps_the_places(run: runs.Run, finish: Finish, store: Path) -> None:
    job = Job("mac", str(run.ds.attrs["text"]), run.title, changes=("theta*=0.5",), places=run.places)
    again = runs.engine().submit(job)
    assert finish(again).state == "done"
    found = runs.opened(again)
    assert found is not None
    assert found.document == run.document
