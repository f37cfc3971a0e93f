"""The address and the browser's history: one entry for each choice of runs, and a link that brings back the view."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

import titans_core as tc

READY = "window.__titanscope?.laidOut && !window.__titanscope.error"
STORY = "The keeper's lamp was lit at six. The boats went out, and nine boats came back.\n\n" * 20


@pytest.fixture(scope="module")
def run(publish: Callable[..., str]) -> str:
    return publish(tc.load("mag"), STORY, "Pasted text")


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    made = browser.new_page(viewport={"width": 1280, "height": 1000})
    errors: list[str] = []
    made.on("pageerror", lambda error: errors.append(str(error)))
    yield made
    made.close()
    assert errors == []


def said(page: Page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def mark(page: Page, name: str) -> Any:
    return page.evaluate(f"window.__titanscope.{name}")


def entries(page: Page) -> int:
    return int(page.evaluate("history.length"))


def wait_for_address(page: Page, name: str, value: str | None) -> None:
    page.wait_for_function(
        "([name, value]) => new URLSearchParams(location.search).get(name) === value", arg=[name, value], timeout=30_000
    )


def wait_for_run(page: Page, run: str) -> None:
    page.wait_for_function(f"window.__titanscope?.runs.join() === '{run}' && {READY}", timeout=60_000)
    settle(page)


def settle(page: Page) -> None:
    """Until the app has drawn the whole page: a choice made on what it is about to replace would be lost."""
    still = page.locator("[data-testid=stApp][data-test-script-state=notRunning]")
    expect(still).to_be_visible(timeout=60_000)


def test_a_newcomer_leaves_with_one_step_back(page: Page, server: str) -> None:
    page.goto("about:blank")
    before = entries(page)
    page.goto(server)
    page.wait_for_function(READY, timeout=60_000)
    page.wait_for_function("new URLSearchParams(location.search).has('token')")
    assert entries(page) == before + 1
    page.go_back()
    assert page.url == "about:blank"


def test_back_and_forward_go_from_run_to_run(page: Page, server: str, run: str) -> None:
    page.goto(f"{server}/?run={run}&token=7&layer=2&range=7-9")
    wait_for_run(page, run)
    box = page.get_by_label("Text to run")
    expect(box).to_have_value(STORY)
    before = entries(page)
    box.fill("Another text about the sea and the quay, read by the same memory.")
    box.press("Control+Enter")
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_function(f"window.__titanscope?.runs.join() !== '{run}' && {READY}", timeout=60_000)
    settle(page)
    page.wait_for_function("new URLSearchParams(location.search).has('token')")
    other = said(page)["run"]
    assert entries(page) == before + 1
    assert (said(page)["layer"], "range" in said(page)) == ("2", False)
    page.locator("select[data-name=layers]").select_option("")
    wait_for_address(page, "layer", None)
    page.go_back()
    wait_for_run(page, run)
    page.wait_for_function("window.__titanscope.layer === 1 && window.__titanscope.selected === 6")
    assert mark(page, "range") == [6, 9]
    page.go_forward()
    wait_for_run(page, other)
    page.wait_for_function("window.__titanscope.layer === null && window.__titanscope.range === null")
    assert said(page)["run"] == other
    expect(box).not_to_have_value(STORY)


def test_from_a_page_opened_by_itself_explore_is_one_step(page: Page, server: str) -> None:
    page.goto(f"{server}/recall")
    settle(page)
    before = entries(page)
    page.get_by_role("link", name="Explore").click()
    page.wait_for_function(READY, timeout=60_000)
    page.wait_for_function("new URLSearchParams(location.search).has('token')")
    settle(page)
    assert entries(page) == before + 1
    page.go_back()
    expect(page.get_by_text("What does it still know?")).to_be_visible(timeout=30_000)
    assert page.url == f"{server}/recall"


def test_after_cancel_the_address_is_that_of_what_is_shown(page: Page, server: str, run: str) -> None:
    page.goto(f"{server}/?run={run}&token=7&layer=2")
    wait_for_run(page, run)
    box = page.get_by_label("Text to run")
    box.fill("Some more words for the memory to read. " * 10_000)
    box.press("Control+Enter")
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_role("button", name="Cancel").click(timeout=30_000)
    wait_for_address(page, "run", run)
    wait_for_address(page, "token", "7")
    wait_for_address(page, "layer", "2")


def test_a_link_brings_back_search_passages_and_path(page: Page, server: str, run: str, browser: Browser) -> None:
    page.goto(f"{server}/?run={run}&token=7")
    wait_for_run(page, run)
    search = page.get_by_label("Search in the text")
    search.fill("nine boats")
    search.press("Enter")
    search.press("Enter")
    wait_for_address(page, "match", "2")
    token = mark(page, "selected")
    page.get_by_role("radio", name="Lasting").click()
    wait_for_address(page, "passages", "lasting")
    page.get_by_role("radio", name="Layer 3").click()
    wait_for_address(page, "path", "3")
    assert said(page).keys() == {"run", "signal", "token", "find", "match", "passages", "path"}
    other = browser.new_page(viewport={"width": 1280, "height": 1000})
    other.goto(page.url)
    wait_for_run(other, run)
    expect(other.get_by_label("Search in the text")).to_have_value("nine boats")
    expect(other.locator(".search .count")).to_have_text("2 of 20")
    assert mark(other, "selected") == token
    expect(other.get_by_role("radio", name="Lasting")).to_be_checked()
    expect(other.get_by_role("radio", name="Layer 3")).to_be_checked()
    other.get_by_label("Search in the text").press("Escape")
    wait_for_address(other, "find", None)
    assert "match" not in said(other)
    other.close()


def test_a_key_without_shift_goes_on_from_where_a_range_ended_and_leaves_it(page: Page, server: str, run: str) -> None:
    page.goto(f"{server}/?run={run}&token=7")
    wait_for_run(page, run)
    page.locator(".scroll").first.focus()
    for _ in range(3):
        page.keyboard.press("Shift+ArrowRight")
    page.wait_for_function("String(window.__titanscope.range) === '6,10'")
    wait_for_address(page, "range", "7-10")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("window.__titanscope.range === null && window.__titanscope.selected === 10")
    wait_for_address(page, "range", None)
    wait_for_address(page, "token", "11")
