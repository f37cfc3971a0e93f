"""On a phone: what floats at the top covers nothing and says where the controls are."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

PAINTED = "window.__titanscope && window.__titanscope.laidOut && !window.__titanscope.error"
HEADER = "document.querySelector('[data-testid=stHeader]')"
LABEL = "getComputedStyle(document.querySelector('[data-testid=stExpandSidebarButton]'), '::after').content"


@pytest.fixture(params=["light", "dark"])
def page(request: pytest.FixtureRequest, server: str, browser: Browser) -> Iterator[Page]:
    opened = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme=request.param)
    opened.goto(server)
    opened.wait_for_function(PAINTED, timeout=60_000)
    yield opened
    opened.close()


def test_the_page_begins_below_the_buttons_and_runs_under_an_opaque_bar(page: Page) -> None:
    bar = page.evaluate(f"{HEADER}.getBoundingClientRect().bottom")
    title = page.locator("h1").first
    expect(title).to_be_visible()
    box = title.bounding_box()
    assert box is not None
    assert box["y"] >= bar
    for name in ("stExpandSidebarButton", "stMainMenuButton"):
        button = page.get_by_test_id(name).bounding_box()
        assert button is not None
        assert button["y"] + button["height"] <= bar
    ground, behind = (
        page.evaluate(f"getComputedStyle({of}).backgroundColor") for of in (HEADER, "document.querySelector('.stApp')")
    )
    assert ground == behind, "as the page is, not clear"


def test_the_controls_are_named_and_open(page: Page) -> None:
    assert page.evaluate(LABEL) == '"Controls"'
    page.get_by_test_id("stExpandSidebarButton").click()
    expect(page.get_by_role("button", name="Run", exact=True)).to_be_in_viewport(timeout=20_000)


def test_wide_screens_have_the_controls_beside_the_page(page: Page) -> None:
    page.set_viewport_size({"width": 1280, "height": 844})
    page.reload()
    page.wait_for_function(PAINTED, timeout=60_000)
    expect(page.get_by_role("button", name="Run", exact=True)).to_be_in_viewport(timeout=20_000)
    assert page.evaluate(f"getComputedStyle({HEADER}).backgroundColor") == "rgba(0, 0, 0, 0)"
