"""A text that is typed counts without leaving the box."""

from __future__ import annotations

from playwright.sync_api import Browser, expect

from tests.e2e.test_phone import PAINTED


def test_run_is_offered_while_the_text_is_typed(server: str, browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.goto(server)
    page.wait_for_function(PAINTED, timeout=60_000)
    page.get_by_text("Paste", exact=True).click()
    run, area = page.get_by_role("button", name="Run", exact=True), page.get_by_label("Text to run")
    expect(run).to_be_disabled()
    area.press_sequentially("A piano")
    expect(run).to_be_enabled()
    area.press_sequentially(" came home.")
    expect(area).to_have_value("A piano came home.")
    expect(page.get_by_text("on disk for 7 tokens")).to_be_visible()
    page.close()
