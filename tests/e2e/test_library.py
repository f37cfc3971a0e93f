"""Runs, in the browser: a person's list is theirs, their words stay text, and a run goes out and comes back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

import titans_core as tc

HOSTILE = '"><svg onload=window.__x=1> [a](javascript:window.__x=1) ![x](http://127.0.0.1:9/b) $\\href{javascript:1}{}$'


def settle(page: Page) -> None:
    still = page.locator("[data-testid=stApp][data-test-script-state=notRunning]")
    expect(still).to_be_visible(timeout=60_000)


def test_a_run_is_kept_sent_and_deleted_by_who_has_it(
    server: str, browser: Browser, publish: Callable[..., str], tmp_path: Path
) -> None:
    run = publish(tc.load("mag"), "The lamp was lit at six. Nine boats came home.\n" * 4, HOSTILE)
    one, other = browser.new_context(), browser.new_context()
    mine, theirs = one.new_page(), other.new_page()
    asked: list[str] = []
    for page in (mine, theirs):
        page.on("request", lambda request: asked.append(request.url))
    mine.goto(f"{server}/?run={run}")
    mine.wait_for_function("window.__titanscope?.laidOut", timeout=60_000)
    settle(mine)
    mine.get_by_role("link", name="Runs").click()
    expect(mine.get_by_text("1 finished run")).to_be_visible(timeout=60_000)
    expect(mine.get_by_text("by link")).to_be_visible()
    expect(mine.get_by_text(HOSTILE)).to_be_visible()
    mine.get_by_role("button", name="More").click()
    with mine.expect_download() as taken:
        mine.get_by_role("link", name="Export").click()
    file = tmp_path / taken.value.suggested_filename
    taken.value.save_as(file)
    assert file.name.endswith(".run.zip")
    mine.keyboard.press("Escape")

    mine.get_by_role("button", name="Import").click()
    mine.locator("input[type=file]").set_input_files(file)
    mine.get_by_role("button", name="Import this run").click()
    expect(mine.get_by_text("2 finished runs")).to_be_visible(timeout=60_000)
    mine.keyboard.press("Escape")
    settle(mine)

    theirs.goto(f"{server}/library")
    expect(theirs.get_by_text("No run is listed yet")).to_be_visible(timeout=60_000)
    assert "Nine boats" not in theirs.content()

    mine.get_by_role("button", name="More").first.click()
    mine.get_by_role("button", name="Delete").click()
    mine.get_by_role("button", name="Delete it").click()
    expect(mine.get_by_text("1 finished run,")).to_be_visible(timeout=30_000)
    mine.reload()
    expect(mine.get_by_text("1 finished run,")).to_be_visible(timeout=60_000)
    assert mine.evaluate("window.__x") is None
    assert mine.evaluate("document.cookie.includes('titanscope_library')") is False
    assert not [address for address in asked if not address.startswith((server, f"blob:{server}", "data:"))]
    one.close()
    other.close()
