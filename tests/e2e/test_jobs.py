"""A run goes on whatever becomes of the tab that began it, and is found again by its address."""

from __future__ import annotations

import re

from playwright.sync_api import Browser, Page, expect

from app import samples

LONG = "\n\n".join(sample.text for sample in samples.samples()) * 4  # reads for many seconds, and can be pasted


def bar(page: Page, words: str):
    return expect(page.get_by_test_id("stProgress").filter(has_text=re.compile(words)).first)


def test_a_run_outlives_its_tab_is_seen_in_others_and_can_be_begun_again(server: str, browser: Browser) -> None:
    first = browser.new_page()
    first.goto(server)
    first.get_by_text("Paste", exact=True).click()
    first.get_by_label("Text to run").fill(LONG[:90_000])
    first.get_by_label("Text to run").blur()
    expect(first.get_by_text("Run waits for a text")).to_have_count(0, timeout=40_000)
    first.get_by_role("button", name="Run", exact=True).click()
    bar(first, r"of [\d,]+ tokens").to_be_visible(timeout=60_000)
    address = first.url
    # A refresh is a new session.
    first.reload()
    bar(first, r"of [\d,]+ tokens").to_be_visible(timeout=30_000)
    # Lost and found again.
    first.context.set_offline(True)
    first.wait_for_timeout(1_500)
    first.context.set_offline(False)
    first.close()
    second = browser.new_page()
    second.goto(address)
    bar(second, r"of [\d,]+ tokens").to_be_visible(timeout=30_000)
    second.get_by_role("button", name="Cancel").click()
    expect(second.get_by_text("was cancelled. Nothing of it is kept.")).to_be_visible(timeout=10_000)
    second.get_by_role("button", name="Run again").click()
    bar(second, r"of [\d,]+ tokens").to_be_visible(timeout=30_000)
    assert second.url == address
    second.get_by_role("button", name="Cancel").click()
    expect(second.get_by_text("was cancelled")).to_be_visible(timeout=10_000)
    second.close()
