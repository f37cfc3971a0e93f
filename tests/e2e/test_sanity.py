"""The sanity panel in a real browser: asked for, computed by the worker, found again after a refresh."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, expect

from app.figures import sanity, sanity_words
from app.jobs import SanityCheck

PAINTED = "window.__titanscope && window.__titanscope.laidOut && !window.__titanscope.error"


def stored(folder: Path, run: str) -> dict[str, Any]:
    """What the worker found for a run."""
    facts = json.loads((folder / "runs" / SanityCheck(run, "", "").id / "run.json").read_text())
    answer: dict[str, Any] = facts["answer"]
    return answer


def test_surprise_is_compared_with_simpler_things(server: str, folder: Path, browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 1000}, color_scheme="light")
    errors: list[str] = []
    page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(server)
    page.wait_for_function(PAINTED, timeout=60_000)
    panel = page.locator(".st-key-panel_sanity")

    # Nothing is computed until it is asked for; then the figure and a sentence come by themselves.
    button = panel.get_by_role("button", name="Compare: takes")
    expect(button).to_be_visible()
    expect(panel.locator(".js-plotly-plot")).to_have_count(0)
    button.click()
    expect(panel.locator(".js-plotly-plot")).to_be_visible(timeout=60_000)
    answer = stored(folder, page.evaluate("window.__titanscope.runs[0]"))
    layer = sanity.shown_layer(answer, None)
    sentence = sanity_words.sentence(answer, layer, False).replace("\u00a0", " ")
    expect(panel).to_contain_text(sentence)
    expect(panel).to_contain_text(f"resamples in blocks of {answer['as_is']['block']} tokens")
    drawn = panel.locator(".js-plotly-plot").evaluate("plot => plot.data.filter(t => t.mode === 'markers').length")
    assert drawn == 6

    # A refresh finds it again.
    page.reload()
    page.wait_for_function(PAINTED, timeout=60_000)
    expect(panel).to_contain_text(sentence)
    expect(button).to_have_count(0)

    # The layer that is looked at in the text is the one that is compared.
    other = (layer + 1) % 3
    page.get_by_label("layers").select_option(label=f"layer {other + 1}")
    expect(panel).to_contain_text(sanity_words.sentence(answer, other, True).replace("\u00a0", " "))
    assert errors == []
    page.close()
