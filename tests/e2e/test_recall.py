"""A file is uploaded, a fact planted in it and asked for; whoever has the link sees the same."""

from __future__ import annotations

import re
import urllib.request

from playwright.sync_api import Browser, Locator, Page, expect

LOG = "The keeper walked along the shore, and it rained. She found a few stones there.\n\n" * 12
FACT = "One of the special magic numbers for lantern is: 5821."


def chart(page: Page) -> Locator:
    return page.locator(".st-key-recall_model .js-plotly-plot")


def names(page: Page) -> set[str]:
    return set(chart(page).locator(".annotation-text").all_text_contents())


def test_a_planted_fact_is_asked_for_and_the_link_shows_it_again(server: str, browser: Browser) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(f"{server}/recall")
    sidebar = page.get_by_test_id("stSidebar")
    sidebar.get_by_text("Upload", exact=True).click()
    expect(sidebar.get_by_text("No file is chosen yet")).to_be_visible()
    expect(sidebar.get_by_role("button", name="Probe", exact=True)).to_be_disabled()
    file = {"name": "harbour-log.txt", "mimeType": "text/plain", "buffer": LOG.encode()}
    sidebar.locator("input[type=file]").set_input_files([file])
    expect(sidebar.get_by_text("With the fact: harbour-log.txt, ")).to_be_visible(timeout=20_000)
    sidebar.get_by_label("Sentence").fill(FACT)
    expect(sidebar.get_by_label("Answer")).to_have_value("5821")
    expect(sidebar.get_by_label("Cue, read before it")).to_have_value(re.compile("magic number for lantern .* is$"))
    for memory in ("MAC", "MAL"):
        sidebar.get_by_role("button", name=memory, exact=True).click()
    expect(sidebar.get_by_text(re.compile(r"for \d+ tokens, each read twice"))).to_be_visible()
    sidebar.get_by_role("button", name="Probe", exact=True).click()
    expect(chart(page)).to_be_visible(timeout=60_000)
    expect(chart(page).locator(".annotation-text")).to_have_count(3)
    assert names(page) == {"MAG", "reads zeroed", "fact removed"}
    expect(page.get_by_text("harbour-log.txt · fact planted at paragraph")).to_be_visible()
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_text("Copied", exact=True)).to_be_visible()
    link = page.evaluate("navigator.clipboard.readText()")
    assert re.fullmatch(rf"{server}/recall\?subject=[0-9a-f]{{32}}", link)
    context.close()

    other = browser.new_page(viewport={"width": 390, "height": 900})
    other.goto(link)
    expect(chart(other)).to_be_visible(timeout=30_000)
    expect(chart(other).locator(".annotation-text")).to_have_count(3)
    assert names(other) == {"MAG", "reads zeroed", "fact removed"}
    other.get_by_text("Loss", exact=True).click()
    expect(other.get_by_text("At the last point the loss is")).to_be_visible()
    assert other.evaluate("document.documentElement.scrollWidth <= innerWidth")
    other.get_by_role("button", name="Export").click()
    csv = other.get_by_role("link", name="Recall: CSV").get_attribute("href")
    assert csv is not None
    with urllib.request.urlopen(csv, timeout=20) as reply:  # noqa: S310 (our own address)
        assert b"p_zeroed" in reply.read()
    other.context.close()
