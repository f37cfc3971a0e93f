"""The memory over time in a real browser: what is drawn and said of a moment is what was recorded of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from playwright.sync_api import Browser, Locator, Page, expect

import titans_core as tc
from app.figures import memory_path, memory_words
from app.theme import DARK, number
from titans_core.moments import effective_rank, moments, path

PAINTED = "window.__titanscope && window.__titanscope.laidOut && !window.__titanscope.error"
FIGURE = "document.querySelector('.st-key-{} .js-plotly-plot')"
DRAWN = f"{FIGURE.format('memory_path')}?._fullData?.[2]?.meta?.moment === "


@pytest.fixture(scope="module")
def context_options() -> dict[str, Any]:
    return {"viewport": {"width": 1280, "height": 1400}, "color_scheme": "light"}


@pytest.fixture
def page(server: str, browser: Browser, context_options: dict[str, Any]) -> Iterator[Page]:
    """The first sample's run; the page must not complain."""
    opened = browser.new_page(**context_options)
    errors: list[str] = []
    opened.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
    opened.on("pageerror", lambda error: errors.append(str(error)))
    visit(opened, server)
    yield opened
    opened.close()
    assert errors == []


def visit(page: Page, address: str) -> None:
    page.goto(address)
    page.wait_for_function(PAINTED, timeout=60_000)
    page.wait_for_function(f"{FIGURE.format('memory_path')}?._fullLayout?.xaxis", timeout=60_000)


def trace_of(page: Page, folder: Path) -> tuple[xr.Dataset, xr.Dataset]:
    ds = tc.open_trace(folder / "runs" / page.evaluate("window.__titanscope.runs[0]") / "trace.zarr")
    found = moments(ds)
    assert found is not None
    return ds, found


def slider(page: Page, layer: int) -> Locator:
    return page.get_by_role("slider", name=f"Moment of layer {layer + 1}'s memory")


def wait_for(page: Page, moment: int) -> None:
    """Until the figure shows this moment."""
    page.wait_for_function(DRAWN + str(moment), timeout=30_000)


def lines(page: Page, key: str) -> list[dict[str, Any]]:
    """The traces of a figure as plotly drew them: name, x and y, None for what is not a number."""
    numbers = "[...a ?? []].map((n) => Number.isFinite(n) ? n : null)"
    traces: list[dict[str, Any]] = page.evaluate(
        f"{FIGURE.format(key)}._fullData.map((t) => {{ const of = (a) => {numbers}; "
        "return { name: t.name, x: of(t.x), y: of(t.y) }; })"
    )
    return traces


def values(line: list[float | None]) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in line])


def assert_shows(page: Page, found: xr.Dataset, layer: int, moment: int) -> None:
    """Ring, spectra and words are those of this moment of this layer."""
    wait_for(page, moment)
    way, singular = path(found["gram"].values[layer]), found["singular"].values[layer]
    points, ring, *spectra = lines(page, "memory_path")[1:]
    np.testing.assert_allclose(np.array([points["x"], points["y"]]).T, way.places, rtol=1e-12)
    assert (ring["x"], ring["y"]) == ([points["x"][moment]], [points["y"][moment]])
    taken = memory_path.measured(singular, moment)
    assert len(spectra) == len(singular)
    for line, recorded in zip(spectra, singular[:, taken], strict=True):
        np.testing.assert_allclose(values(line["y"]), np.where(recorded > 0, recorded, np.nan), rtol=1e-6)
    panel = page.locator(".st-key-panel_memory")
    ranks = ", ".join(f"{rank:.1f}" for rank in effective_rank(singular)[:, taken])
    said = panel.locator(".facts")
    expect(said).to_contain_text(f"size {number(float(found['size'].values[layer, moment]))}")
    expect(said).to_contain_text(f"effective rank of the heads {ranks}")
    if moment:
        expect(said).to_contain_text(f"{number(float(found['moved'].values[layer, moment]))} since the moment before")
    name = memory_words.names(found)[moment]
    expect(panel.locator(".place")).to_have_text(name)
    expect(slider(page, layer)).to_have_attribute("aria-valuetext", f"{name}. {said.inner_text()}")


def test_what_is_drawn_is_what_was_recorded(page: Page, folder: Path) -> None:
    _, found = trace_of(page, folder)
    ranks = effective_rank(found["singular"].values)
    drawn = lines(page, "memory_time")
    for name, start in (("size", "size"), ("moved", "since")):
        rows = [line for line in drawn if line["name"].startswith(start)]
        assert [line["x"] for line in rows] == [found["tokens"].values.tolist()] * 3
        np.testing.assert_allclose([values(line["y"]) for line in rows], found[name].values, rtol=1e-12)
    for head in range(found.sizes["head"]):
        rows = [line for line in drawn if line["name"] == f"head {head + 1}"]
        np.testing.assert_allclose([values(line["y"]) for line in rows], ranks[:, head], rtol=1e-6)
    assert_shows(page, found, 0, found.sizes["moment"] - 1)


def test_the_slider_is_moved_by_keys(page: Page, folder: Path) -> None:
    _, found = trace_of(page, folder)
    last = found.sizes["moment"] - 1
    # It is reached by Tab: from the layers to Play, and to the slider.
    page.get_by_role("radio", name="Layer 1", exact=True).or_(
        page.get_by_role("button", name="Layer 1", exact=True)
    ).first.focus()
    for _ in range(12):
        if slider(page, 0).evaluate("one => one.getRootNode().activeElement === one"):
            break
        page.keyboard.press("Tab")
    expect(slider(page, 0)).to_be_focused()
    for key, moment in (("ArrowLeft", last - 1), ("Home", 0), ("ArrowRight", 1), ("ArrowUp", 2), ("End", last)):
        page.keyboard.press(key)
        assert_shows(page, found, 0, moment)

    # Another layer begins at its end, and says its own numbers. The figure above stays as it was.
    page.keyboard.press("Home")
    above = page.evaluate_handle(FIGURE.format("memory_time") + "._fullLayout")
    page.locator(".st-key-panel_memory").get_by_text("Layer 3", exact=True).click()
    expect(slider(page, 2)).to_be_visible()
    slider(page, 2).press("ArrowLeft")
    page.wait_for_timeout(300)
    moment = int(slider(page, 2).input_value())
    assert_shows(page, found, 2, moment)
    assert page.evaluate(f"(before) => before === {FIGURE.format('memory_time')}._fullLayout", above)


def test_a_click_on_the_path_goes_to_its_moment_and_token(page: Page, folder: Path) -> None:
    _, found = trace_of(page, folder)
    area = page.locator(".st-key-memory_path .js-plotly-plot")
    area.scroll_into_view_if_needed()
    page.wait_for_timeout(500)
    # The start lies apart from the others; whatever is nearest to the pointer there is what plotly means.
    spot = area.evaluate(
        """(f) => { const { xaxis, yaxis } = f._fullLayout, { x, y } = f._fullData[1];
        return { x: xaxis._offset + xaxis.c2p(x[0]), y: yaxis._offset + yaxis.c2p(y[0]) }; }"""
    )
    area.click(position=spot)
    assert_shows(page, found, 0, 0)
    page.wait_for_function("window.__titanscope.selected === 0", timeout=30_000)
    expect(page.locator(".cards .head").first).to_contain_text("token 1 of")
    assert_shows(page, found, 0, 0)


def test_it_plays_when_asked_and_only_then(page: Page, folder: Path) -> None:
    _, found = trace_of(page, folder)
    last = found.sizes["moment"] - 1
    wait_for(page, last)
    page.wait_for_timeout(600)
    assert slider(page, 0).input_value() == str(last), "nothing plays by itself"
    panel = page.locator(".st-key-panel_memory")
    panel.get_by_role("button", name="Play").click()
    page.wait_for_function(f"{DRAWN}3", timeout=30_000, polling=20)
    panel.get_by_role("button", name="Pause").click()
    paused = int(slider(page, 0).input_value())
    assert 3 <= paused < last
    page.wait_for_timeout(600)
    assert_shows(page, found, 0, paused)
    # From there to the end, where it stops.
    panel.get_by_role("button", name="Play").click()
    expect(panel.get_by_role("button", name="Play")).to_be_visible(timeout=30_000)
    assert_shows(page, found, 0, last)


def test_less_motion_is_respected(page: Page, folder: Path) -> None:
    _, found = trace_of(page, folder)
    panel = page.locator(".st-key-panel_memory")
    panel.get_by_role("button", name="Play").click()
    page.emulate_media(reduced_motion="reduce")
    expect(panel.get_by_role("button", name="Play")).to_have_count(0)
    expect(panel.get_by_role("button", name="Pause")).to_have_count(0)
    stopped = int(slider(page, 0).input_value())
    page.wait_for_timeout(600)
    assert_shows(page, found, 0, stopped)
    slider(page, 0).press("Home")
    assert_shows(page, found, 0, 0)


def test_colours_and_layer_follow_the_page(page: Page, folder: Path) -> None:
    _, found = trace_of(page, folder)
    page.get_by_label("layers").select_option(label="layer 2")
    expect(slider(page, 1)).to_be_visible(timeout=30_000)
    assert_shows(page, found, 1, found.sizes["moment"] - 1)
    page.emulate_media(color_scheme="dark")
    for key in ("memory_time", "memory_path"):
        page.wait_for_function(f"{FIGURE.format(key)}?.layout?.xaxis.linecolor === '{DARK.line}'", timeout=30_000)
    slider(page, 1).press("Home")
    assert_shows(page, found, 1, 0)
