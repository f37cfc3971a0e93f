"""Draw assets/screenshots anew from a running dashboard: `python tools/screenshots.py http://127.0.0.1:8501`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, sync_playwright

FOLDER = Path(__file__).parents[1] / "assets" / "screenshots"
PAINTED = "window.__titanscope && window.__titanscope.laidOut && !window.__titanscope.error"


def open_page(browser: Browser, address: str, theme: str, width: int, height: int) -> Page:
    """The page with the first sample run and drawn."""
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=theme, bypass_csp=True)  # type: ignore[arg-type]
    page.goto(address)
    page.wait_for_function(PAINTED, timeout=90_000)
    page.wait_for_timeout(2500)
    return page


def below(page: Page, panel: str, path: Path) -> None:
    """One panel of the lower page, alone."""
    box = page.locator(f".st-key-{panel}")
    page.set_viewport_size({"width": 1280, "height": 3200})  # tall enough to hold the panel whole
    box.scroll_into_view_if_needed()
    page.wait_for_timeout(3000)
    box.screenshot(path=path)


def recall(browser: Browser, address: str, path: Path) -> None:
    """A fact planted in the first sample, asked of three memories in every way that the page has."""
    page = browser.new_page(viewport={"width": 1280, "height": 1000}, color_scheme="light", bypass_csp=True)
    page.goto(f"{address}/recall")
    idle = page.locator("[data-testid=stApp][data-test-script-state=notRunning]")
    page.get_by_role("button", name="Probe", exact=True).wait_for(timeout=60_000)
    idle.wait_for()
    page.get_by_role("button", name="Probe", exact=True).click()
    page.locator(".st-key-recall_model .annotation-text").nth(4).wait_for(timeout=240_000)
    for panel, verb in (("panel_ask", "Ask: "), ("panel_retention", "Map: "), ("panel_grid", "Run ")):
        idle.wait_for()
        page.locator(f".st-key-{panel}").get_by_role("button").filter(has_text=verb).click()
        page.wait_for_timeout(1500)
    page.get_by_role("button", name="Cancel").first.wait_for(state="hidden", timeout=240_000)
    page.set_viewport_size({"width": 1280, "height": 2200})
    page.wait_for_timeout(4000)
    page.screenshot(path=path)


def main(address: str) -> None:
    FOLDER.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        path = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        for theme in ("light", "dark"):
            page = open_page(browser, address, theme, 1280, 1010)
            page.screenshot(path=FOLDER / f"explore-{theme}.png")
            if theme == "light":
                for name in ("MAG", "MAL"):
                    page.get_by_role("button", name=name, exact=True).click()
                    page.wait_for_timeout(800)
                page.get_by_role("button", name="Run", exact=True).click()
                page.wait_for_function("document.body.innerText.includes('MAL, memory as layer')", timeout=90_000)
                page.wait_for_timeout(4000)
                page.screenshot(path=FOLDER / "three-memories.png")
                page.goto(f"{address}/compare?{urlsplit(page.url).query}")
                page.wait_for_function(PAINTED, timeout=90_000)
                page.wait_for_timeout(4000)
                page.set_viewport_size({"width": 1280, "height": 1700})
                page.wait_for_timeout(2500)
                page.screenshot(path=FOLDER / "compare.png")
                page.goto(f"{address}/answers")
                page.locator(".js-plotly-plot").nth(3).wait_for(timeout=60_000)
                page.wait_for_timeout(2500)
                page.screenshot(path=FOLDER / "answers.png")
            else:
                below(page, "panel_memory", FOLDER / "memory-over-time.png")
                recall(browser, address, FOLDER / "recall.png")
            phone = open_page(browser, address, theme, 390, 844)
            phone.screenshot(path=FOLDER / f"phone-{theme}.png")


if __name__ == "__main__":
    main(sys.argv[1])
