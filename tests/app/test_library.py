"""Runs: a person sees and changes their own runs, and nobody else's."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import library, person, runs
from app.jobs import Job, Progress, SanityCheck, damaged
from app.jobs import library as known
from app.jobs import store as files
from app.jobs.library import Library
from app.theme import ago
from titans_core.errors import StoreError

HOSTILE = '"><svg onload=window.__x=1> [a](javascript:1) ![x](http://127.0.0.1/b) :red[x] =HYPERLINK("http://x")'


@pytest.fixture
def mine(monkeypatch: pytest.MonkeyPatch) -> Library:
    """The library of a person of our own, whom AppTest is."""
    key = secrets.token_hex(16)
    monkeypatch.setattr(person, "key", lambda: key)
    return Library(key)


def made(title: str, finish: Callable[..., Progress], text: str = "The lamp was lit at six.") -> str:
    run = library.begin([Job("mag", text, title)])[0]
    assert finish(run).state == "done"
    return run


def library_page() -> AppTest:
    page = AppTest.from_function(_page, default_timeout=60).run()
    assert not page.exception
    return page


def _page() -> None:
    import streamlit as st

    from app.views import library

    exploring = st.Page(lambda: None, title="Explore", url_path="explore")
    st.navigation(
        [st.Page(lambda: library.page(exploring), title="Runs", url_path="library", default=True), exploring]
    ).run()


def said(page: AppTest) -> str:
    elements = [*page.markdown, *page.caption, *page.warning, *page.info, *page.error]
    return "\n".join(str(element.value) for element in elements)


def test_a_run_is_listed_with_its_facts(mine: Library, finish: Callable[..., Progress]) -> None:
    run = made("A short text", finish)
    (row,) = library.held().finished
    facts = files.facts(run)
    assert facts is not None
    assert (row.run, row.title, row.name, row.own, row.pinned) == (run, "A short text", "MAG", True, False)
    assert (row.tokens, row.bytes) == (facts["tokens"], facts["bytes"])
    assert row.hash == runs.trace(run).attrs["text_sha256"]
    assert 0 <= row.age < 60
    page = library_page()
    assert "1 finished run" in said(page)
    assert f"MAG · {row.tokens} tokens" in said(page).replace("\\", "")
    assert row.hash[:8] in said(page)
    assert row.hash not in said(page), "whole on demand"


def test_nobody_sees_or_changes_the_runs_of_another(
    mine: Library, monkeypatch: pytest.MonkeyPatch, finish: Callable[..., Progress]
) -> None:
    secret = f"secret-{secrets.token_hex(8)}"
    run = made(secret, finish)
    assert secret in str(library.held())
    other = Library("another person")
    monkeypatch.setattr(person, "key", lambda: "another person")
    for _ in range(50):
        other.add(secrets.token_hex(16), own=False)  # a guess is no run
    assert library.held() == ([], [], [], 50)
    assert secret not in said(library_page())
    for act in (lambda: other.rename(run, "x"), lambda: other.pin(run, True), lambda: other.delete(run)):
        with pytest.raises(StoreError, match="only the browser in which a run was made"):
            act()
    other.add(run, own=False)  # who has its link may see it
    (row,) = library.held().finished
    assert (row.title, row.own) == (secret, False)
    with pytest.raises(StoreError, match="only the browser"):
        library.delete(run)
    assert not [path for path in (files.root() / "libraries").rglob("*") if "another" in path.name]
    assert mine.key not in "".join(str(path) for path in (files.root() / "libraries").rglob("*"))


def test_rename_pin_and_delete(mine: Library, finish: Callable[..., Progress]) -> None:
    run = made("Before", finish)
    assert runs.opened(run) is not None
    library.rename(run, "  After \u202e the\nstorm ")
    assert runs.opened(run).title == "After the storm"  # type: ignore[union-attr]
    for title in ("", " \n", "x" * 201):
        with pytest.raises(StoreError, match="a name has 1 to 200 characters"):
            library.rename(run, title)
    mine.pin(run, True)
    assert library.held().finished[0].pinned
    check = SanityCheck(run, "mag", "t").id
    files.draft(check)
    files.publish(check, {"answer": {"tokens": 1}})
    library.delete(run)
    assert runs.progress(run) is None
    assert runs.opened(run) is None
    assert files.facts(check) is None
    assert library.held() == ([], [], [], 0)
    with pytest.raises(StoreError, match="only the browser"):
        library.delete(run)


def test_the_page_renames_pins_and_asks_before_it_deletes(mine: Library, finish: Callable[..., Progress]) -> None:
    run = made(HOSTILE, finish)
    page = library_page()
    page.button(key=f"pin_{run}").click().run()
    assert "pinned" in said(page)
    assert files.facts(run) is not None
    page.session_state[f"more_{run}"] = True
    page.run()
    page.text_input(key=f"title_{run}").input("Another name")
    next(button for button in page.button if button.label == "Rename").click().run()
    assert (files.facts(run) or {})["title"] == "Another name"
    page.session_state[f"more_{run}"] = True
    page.run()
    page.button(key=f"delete_{run}").click().run()
    assert files.facts(run) is not None, "it asks"
    page.session_state[f"more_{run}"] = True
    page.run()
    page.button(key=f"delete_now_{run}").click().run()
    assert files.facts(run) is None
    assert "0 finished runs" in said(page)


def test_what_expired_and_what_is_damaged_is_said(mine: Library, finish: Callable[..., Progress], store: Path) -> None:
    run = made("A text that is damaged", finish)
    (store / run / "trace.zarr" / "zarr.json").unlink()
    mine.add("e" * 32, own=True)
    page = library_page()
    assert "One run of this list has expired." in said(page)
    assert "“A text that is damaged” is damaged and was set aside: trace.zarr/zarr.json is missing" in said(
        page
    ).replace("\\", "")
    assert not page.exception
    page.button(key=f"off_{run}").click().run()
    assert library.held() == ([], [], [], 0)
    assert damaged.of(run) is not None


def test_a_run_that_goes_on_is_listed_as_such(mine: Library, finish: Callable[..., Progress]) -> None:
    run = library.begin([Job("mac", "The lamp was lit at six. " * 3_000, "Long")])[0]
    held = library.held()
    assert [name for name, _ in held.going] == [run]
    runs.engine().cancel(run)
    finish(run)
    assert library.held() == ([], [], [], 0)


def test_opened_runs_are_noted_and_stay_while_they_are_open(
    mine: Library, finished: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = AppTest.from_file("../../app/main.py", default_timeout=60)
    page.query_params["run"] = [finished["mag"], "f" * 32]
    page.run()
    assert not page.exception
    assert [(row.run, row.own) for row in library.held().finished] == [(finished["mag"], False)]
    assert files.leases.in_use(finished["mag"])


def test_what_is_not_stored_leaves_the_lists_after_a_while(mine: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    mine.add("e" * 32, own=True)
    known.tidy()
    assert mine.owns("e" * 32), "it may be going"
    monkeypatch.setattr(files.clock, "_began", files.clock._began + files.MAX_AGE + 1)
    known.tidy()
    assert not mine.owns("e" * 32)
    assert not mine._folder.exists()


def test_ages_in_words() -> None:
    words = [ago(seconds) for seconds in (0, 59, 60, 3_599, 3_600, 86_399, 86_400, 200_000)]
    assert words == [
        "just now",
        "just now",
        "1 min ago",
        "59 min ago",
        "1 h ago",
        "23 h ago",
        "1 day ago",
        "2 days ago",
    ]
