"""Read a text, read another one with its memory, and compare that with the same read from an empty memory."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser, Page, expect

PAINTED = "window.__titanscope && window.__titanscope.laidOut && !window.__titanscope.error"


def choose(page: Page, key: str, words: str) -> None:
    page.locator(f".st-key-{key} input").click()
    page.get_by_role("option", name=words).click()
    expect(page.locator(f".st-key-{key} input")).to_have_value(words)


def test_read_go_on_from_it_and_compare(server: str, folder: Path, browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(server)
    page.wait_for_function(PAINTED, timeout=60_000)
    (first,) = page.evaluate("window.__titanscope.runs")
    choose(page, "sample", "The letter in the flour tin")
    choose(page, "begin", "After “The keeper and the…” · MAC")
    expect(page.locator("[data-testid=stSidebar]")).to_contain_text("read twice")
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_function("window.__titanscope.runs.length === 2", timeout=90_000)
    _, on = page.evaluate("window.__titanscope.runs")
    expect(page.locator("[data-testid=stMain]")).to_contain_text("of prediction over")
    kept = {run: folder / "runs" / run for run in (first, on)}
    assert (kept[on] / "began.safetensors").read_bytes() == (kept[first] / "memory.safetensors").read_bytes()

    page.get_by_role("link", name="Compare these runs").click()
    cells = page.locator(".st-key-panel_states td:has(b)")
    expect(cells).to_have_count(9, timeout=60_000)
    expect(page.locator(".st-key-panel_states")).to_contain_text("apart. Most alike")

    with page.expect_download() as download:
        page.get_by_role("button", name="Export").click()
        page.get_by_role("link", name="safetensors").last.click()
    assert Path(download.value.path()).read_bytes() == (kept[on] / "began.safetensors").read_bytes()
    assert errors == []
    page.close()
