"""The needle grid in a real browser: filled in live, cancelled, resumed, by keyboard, and opened in Explore."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from app import needles, samples
from app.jobs import Probe, Subject, store

PAINTED = "window.__titanscope && window.__titanscope.laidOut && !window.__titanscope.error"
ASKED = {"task": "number", "haystack": "document", "lengths": [512, 1024], "depths": [0.0, 1.0], "n": 2, "seed": 0}


def test_a_grid_is_cancelled_resumed_and_opened(
    server: str, folder: Path, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TITANSCOPE_RUNS", str(folder / "runs"))
    sample = samples.samples()[0]
    of = store.keep_subject(Subject(sample.title, sample.text, 0, 0, "", "", False))
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{server}/recall?subject={of}&grid={needles.address(ASKED)}")
    panel = page.locator(".st-key-panel_grid")
    filled = panel.locator("button.run")

    panel.get_by_role("button", name=re.compile(r"^Run 12 cells: takes")).click()
    expect(filled.first).to_be_visible(timeout=60_000)
    panel.get_by_role("button", name="Cancel").click()
    # "Run 8 cells of MAG, MAL" where the first variant was done before the click was heard.
    resume = panel.get_by_role("button", name=re.compile(r"^(Resume, \d+ of \d+ cells done|Run \d+ cells of )"))
    expect(resume).to_be_visible(timeout=30_000)
    before = [cell.get_attribute("aria-label") for cell in filled.all()]
    assert 0 < len(before) < 12

    resume.click()
    expect(filled).to_have_count(12, timeout=60_000)
    expect(panel.get_by_role("button", name="Cancel")).to_have_count(0, timeout=30_000)
    after = [cell.get_attribute("aria-label") for cell in filled.all()]
    assert set(before) < set(after)
    given = tuple(sorted((name, tuple(v) if isinstance(v, list) else v) for name, v in ASKED.items()))
    answer = store.answer(Probe("grid", of, "mac", "", given).id)
    assert answer is not None
    shown = [cell.inner_text().split()[0] for cell in filled.all()[:4]]
    rows = [one["rate"] for depth in (0.0, 1.0) for one in answer["cells"] if one["depth"] == depth]
    assert shown == [f"{100 * rate:.0f}" for rate in rows]

    # By keyboard to the cell below, whose texts are then offered.
    filled.first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(panel).to_contain_text(re.compile(r"MAC at 512, depth 100\s%"), timeout=30_000)
    text = answer["cells"][1]["texts"][0]
    expect(panel).to_contain_text(text["needle"])
    panel.get_by_role("button", name="Read it for Explore").click()
    with page.expect_popup() as opened:
        panel.get_by_role("link", name="Open in Explore").click()
    explore = opened.value
    explore.wait_for_function(PAINTED, timeout=60_000)
    title = re.compile(r"^Needle: number at 512, depth 100\s%, text 1$")
    expect(explore.get_by_role("heading", name=title)).to_be_visible(timeout=30_000)
    expect(explore.locator(".st-key-panel_token .piece")).to_have_text(f"“{text['value'][0]}”", timeout=30_000)
    assert re.search(r"token=50[0-9]&range=\d+-\d+", explore.url)
    explore.close()

    # A reload finds the same grid.
    page.reload()
    expect(filled).to_have_count(12, timeout=30_000)
    assert errors == []
    page.close()
