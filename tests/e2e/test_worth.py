"""What the memory buys, in a real browser: asked for, drawn on the text, and bound to its signal and to the text."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from playwright.sync_api import Browser, expect

import titans_core as tc
from titans_core.probes.comparing import won

PAINTED = "window.__titanscope && window.__titanscope.laidOut && !window.__titanscope.error"
DRAWN = "window.__titanscopeDifference?.columns?.[0]"


def test_bits_are_drawn_as_the_traces_have_them(server: str, folder: Path, browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(server)
    page.wait_for_function(PAINTED, timeout=60_000)
    panel = page.locator(".st-key-panel_worth")
    panel.get_by_role("button", name="Read it so").click()
    expect(panel).to_contain_text("The memory saved", timeout=60_000)
    page.wait_for_function(DRAWN, timeout=30_000)
    told = page.evaluate("(({columns, runs}) => ({values: [...columns[0]], runs}))(window.__titanscopeDifference)")
    live = page.evaluate("window.__titanscope.runs[0]")
    (zeroed,) = told["runs"]
    gain = won(*(tc.open_trace(folder / "runs" / run / "trace.zarr") for run in (live, zeroed)))
    drawn = np.array([np.nan if v is None else v for v in told["values"]], np.float32)
    np.testing.assert_allclose(drawn, gain.astype(np.float32), rtol=1e-5, atol=1e-5)

    # Whatever signal the page shows, this stays what it is.
    page.get_by_role("button", name="Momentum", exact=True).click()
    page.wait_for_function("window.__titanscope.signal === 'momentum'")
    page.wait_for_timeout(1500)
    assert page.evaluate("window.__titanscopeDifference.signal") == "nll"

    # A passage where it helped is selected in the text of the page.
    passage = panel.locator("button.passage").first
    token = int(passage.get_attribute("data-token") or -1)
    passage.click()
    page.wait_for_function(f"window.__titanscope.selected === {token}", timeout=30_000)
    page.wait_for_function(f"window.__titanscopeDifference.selected === {token}", timeout=30_000)
    assert errors == []
    page.close()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_page_of_answers_draws_all_its_charts(
    server: str, browser: Browser, width: int, scheme: Literal["light", "dark"]
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{server}/answers")
    expect(page.locator(".js-plotly-plot")).to_have_count(4, timeout=60_000)
    wide = page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth - innerWidth")
    assert wide <= 0
    assert errors == []
    page.close()
