"""The retention map in a browser: mapped at a press, told under the pointer, on a phone too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from app.jobs import Subject, store
from titans_core.probes.places import plant

FACT = "The number of the harbour book is 7304416."
PLACE = plant("The <i>keeper</i> walked along the shore, and it rained. She found stones.\n\n" * 12, FACT, 0.3)


@pytest.fixture
def page(server: str, folder: Path, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    monkeypatch.setenv("TITANSCOPE_RUNS", str(folder / "runs"))
    name = store.keep_subject(Subject("A log", *PLACE, FACT[:34], "7304416", True, (0, 400)))
    opened = browser.new_page(viewport={"width": 390, "height": 1000})
    opened.goto(f"{server}/recall?subject={name}")
    yield opened
    opened.close()


def test_a_map_is_asked_for_and_tells_its_cells(page: Page) -> None:
    panel = page.locator(".st-key-panel_retention")
    panel.get_by_role("button", name="Map: takes").click(timeout=60_000)
    cells = panel.locator(".js-plotly-plot .heatmaplayer image").first
    expect(cells).to_be_visible(timeout=60_000)
    expect(panel.get_by_role("button", name="Cancel")).to_have_count(0, timeout=60_000)
    cells.scroll_into_view_if_needed()
    box = cells.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 0.2 * box["height"])
    told = panel.locator(".hoverlayer .hovertext").first
    for words in ("share left", "written: tokens", "page 1, paragraph", "“", "asked after token"):
        expect(told).to_contain_text(words)
    expect(panel).to_contain_text("at most half of a write is left")
    assert page.evaluate("document.documentElement.scrollWidth") == 390, "nothing runs out of a phone"
