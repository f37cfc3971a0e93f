"""Markup of every kind as text, token, name, fact, cue and answer, on every page and in every file: it is only shown.

The policy of the pages is switched off here (bypass_csp), so that it is not what keeps the markup from acting.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

import titans_core as tc
from app.jobs import Subject, store

PAINTED = "window.__titanscope && window.__titanscope.laidOut && !window.__titanscope.error"
ACTS = [
    '"><svg onload=window.__x=1>',
    "<script>window.__x=1</script>",
    "<img src=x onerror=window.__x=1>",
    "[a](javascript:window.__x=1)",
    "![x](http://127.0.0.1:PORT/b)",
    "</textarea></title></style><iframe src=javascript:window.__x=1>",
    "{{7*7}}",
    r"$\href{javascript:window.__x=1}{x}$",
    "<b onmouseover=window.__x=1>b</b>",
    '<a href="javascript:window.__x=1">a</a>',
    ":red[no] `c` *e*",
]


@dataclass
class Watched:
    """A context of pages, and everything in it that must not happen."""

    context: BrowserContext
    own: str
    port: int
    happened: list[str] = field(default_factory=list)

    def page(self) -> Page:
        page = self.context.new_page()
        page.on("dialog", lambda dialog: (self.happened.append(f"dialog {dialog.message}"), dialog.dismiss()))
        own = (self.own, self.own.replace("http", "ws"), "data:", "blob:", "file:")
        page.on("request", lambda r: self.happened.append(r.url) if not r.url.startswith(own) else None)
        page.on("pageerror", lambda error: self.happened.append(str(error)))
        return page

    def calm(self, page: Page) -> None:
        assert page.evaluate("window.__x") is None
        assert self.happened == []
        expect(page.get_by_test_id("stException")).to_have_count(0)


@pytest.fixture(scope="module")
def listener() -> Iterator[socket.socket]:
    """What markup would load from, if it were loaded; nobody may ask."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.fixture
def watched(browser: Browser, server: str, listener: socket.socket) -> Iterator[Watched]:
    context = browser.new_context(viewport={"width": 1280, "height": 1400}, accept_downloads=True, bypass_csp=True)
    yield Watched(context, server, listener.getsockname()[1])
    context.close()


@pytest.fixture(scope="module")
def markup(listener: socket.socket) -> str:
    return " ".join(ACTS).replace("PORT", str(listener.getsockname()[1]))


@pytest.fixture(scope="module")
def both(publish: Callable[..., str], markup: str) -> list[str]:
    """Runs of two memories whose text and title are markup."""
    text = f"{markup}\n" * 3
    return [publish(tc.load(name), text, markup) for name in ("mac", "mag")]


def over(page: Page, selector: str) -> None:
    """Rest the pointer on the middle of the first few of these."""
    for found in page.locator(selector).all()[:4]:
        if found.is_visible():
            found.hover(force=True, timeout=5_000)
            page.wait_for_timeout(150)


def settled(page: Page) -> None:
    done = page.locator("[data-testid=stApp][data-test-script-state=notRunning]")
    expect(done).to_be_visible(timeout=60_000)


def test_on_explore_and_in_what_it_saves(
    watched: Watched, both: list[str], markup: str, browser: Browser, tmp_path: Path
) -> None:
    page = watched.page()
    page.goto(f"{watched.own}/?run={both[0]}&run={both[1]}")
    page.wait_for_function(PAINTED, timeout=60_000)
    settled(page)
    expect(page.get_by_role("heading", level=1)).to_have_text(markup)
    page.locator("canvas.text").first.hover(position={"x": 40, "y": 15})
    expect(page.locator(".card").first).to_be_visible()
    page.locator("button.passage").first.click()
    expect(page.locator(".cards .head").first).to_contain_text("token ")
    over(page, ".js-plotly-plot")
    over(page, "canvas.figure")
    page.get_by_role("button", name="Export").click()
    box = page.locator(".download")
    for name in ("Report: HTML", "Through time: SVG", "Text in view: SVG", "Layer × token: SVG"):
        with page.expect_download() as waiting:
            box.get_by_label(name, exact=True).or_(box.get_by_role("link", name=name)).first.click()
        file = tmp_path / waiting.value.suggested_filename
        waiting.value.save_as(file)
        opened = watched.page()
        opened.goto(file.as_uri())
        opened.wait_for_timeout(150)
        assert opened.evaluate("window.__x") is None
        assert opened.evaluate("document.scripts.length") == 0
        opened.close()
    watched.calm(page)


def test_on_compare(watched: Watched, both: list[str]) -> None:
    page = watched.page()
    page.goto(f"{watched.own}/compare?run={both[0]}&run={both[1]}")
    page.wait_for_function(PAINTED, timeout=60_000)
    settled(page)
    over(page, "canvas.text")
    over(page, ".js-plotly-plot")
    watched.calm(page)


def test_on_recall(watched: Watched, publish: Callable[..., str], markup: str) -> None:
    fact = f"The word for {markup} is: <svg/onload=window.__x=1>."
    text = f"{markup}\n\n{fact}\n\nThe keeper walked along the shore.\n"
    start = text.index(fact)
    cue, answer = fact.rpartition(": ")[0] + ":", "<svg/onload=window.__x=1>"
    sections, files = ((0, 1, markup),), ((0, markup),)
    subject = Subject(markup, text, start, start + len(fact), cue, answer, True, (), sections, 0.1, files)
    page = watched.page()
    page.goto(f"{watched.own}/recall?subject={store.keep_subject(subject)}")
    settled(page)
    button = page.get_by_test_id("stSidebar").get_by_role("button", name="Probe", exact=True)
    expect(button).to_be_enabled(timeout=20_000)
    button.click()
    expect(page.locator(".st-key-recall_model .js-plotly-plot").first).to_be_visible(timeout=90_000)
    settled(page)
    over(page, ".js-plotly-plot")
    watched.calm(page)


def test_where_a_person_types(watched: Watched, markup: str) -> None:
    page = watched.page()
    page.goto(watched.own)
    page.wait_for_function(PAINTED, timeout=60_000)
    page.get_by_text("Upload", exact=True).click()
    name = markup.replace('"', "").replace("/", "")[:180] + ".txt"
    file = {"name": name, "mimeType": "text/html", "buffer": markup.encode() * 3}
    page.locator("input[type=file]").set_input_files([file])  # type: ignore[list-item]
    expect(page.get_by_role("button", name="Run", exact=True)).to_be_enabled(timeout=20_000)
    page.goto(f"{watched.own}/?run={'<svg onload=window.__x=1>'}&signal={markup[:60]}")
    settled(page)
    watched.calm(page)
