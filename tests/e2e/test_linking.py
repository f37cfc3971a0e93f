"""Text, timelines, layer map and address are one instrument: what is done in one shows in all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
import xarray as xr
from playwright.sync_api import Browser, Page, expect

import titans_core as tc
from app.figures.aggregate import column

FIGURES = ("timelines", "layer_map")
READY = "window.__titanscope?.laidOut && !window.__titanscope.error && {}".format(
    " && ".join(f"document.querySelector('.st-key-{key} .js-plotly-plot')?._fullLayout?.xaxis" for key in FIGURES)
)
SHOWN = "(key) => { const f = document.querySelector(`.st-key-${key} .js-plotly-plot`); return "


@pytest.fixture(scope="module")
def first(server: str, browser: Browser) -> str:
    """The address of the first sample's run, as a newcomer gets it."""
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.goto(server)
    page.wait_for_function(READY, timeout=60_000)
    page.wait_for_function("new URLSearchParams(location.search).has('token')")
    run = parse_qs(urlsplit(page.url).query)["run"][0]
    page.close()
    return f"{server}/?run={run}"


@pytest.fixture
def page(first: str, browser: Browser) -> Iterator[Page]:
    opened = browser.new_page(viewport={"width": 1280, "height": 1000})
    errors: list[str] = []
    opened.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
    opened.on("pageerror", lambda error: errors.append(str(error)))
    yield opened
    opened.close()
    assert errors == []


@pytest.fixture
def trace(first: str, folder: Path) -> xr.Dataset:
    return tc.open_trace(folder / "runs" / parse_qs(urlsplit(first).query)["run"][0] / "trace.zarr")


def show(page: Page, address: str) -> None:
    page.goto(address)
    page.wait_for_function(READY, timeout=60_000)


def ends(page: Page, key: str) -> tuple[int, int]:
    """The tokens from..to that a figure's axis shows."""
    low, high = page.evaluate(SHOWN + "f._fullLayout.xaxis.range }", key)
    return round(low - 0.5), round(high - 0.5)


def wait_for_span(page: Page, span: tuple[int, int]) -> None:
    """Until both figures were drawn again for these tokens, up to a bin at each end."""
    for key in FIGURES:
        near = "Math.abs(f._fullLayout.xaxis.range[0] - {}) < 3 && Math.abs(f._fullLayout.xaxis.range[1] - {}) < 3 }}"
        drawn = (
            "f?._fullLayout?.xaxis && f.layout.uirevision === f.layout.xaxis.range.map((x) => x - 0.5).join(' ') && "
        )
        page.wait_for_function(SHOWN + drawn + near.format(span[0] + 0.5, span[1] + 0.5), arg=key, timeout=30_000)


def still(page: Page, key: str) -> dict[str, float]:
    """Where the first row of a figure is, once it no longer moves."""
    area = page.locator(f".st-key-{key} .nsewdrag").first
    before = None
    for _ in range(40):
        area.scroll_into_view_if_needed()
        box = area.bounding_box()
        if box is not None and box == before:
            return dict(box)
        before = box
        page.wait_for_timeout(150)
    raise TimeoutError(f"{key} does not stand still")


def drag(page: Page, key: str, low: float, high: float) -> None:
    """Drag across a figure, from one part of its width to another."""
    box = still(page, key)
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + low * box["width"], y)
    page.mouse.down()
    page.mouse.move(box["x"] + (low + high) / 2 * box["width"], y, steps=3)
    page.mouse.move(box["x"] + high * box["width"], y, steps=3)
    page.mouse.up()


def said(page: Page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def drawn(page: Page, key: str, part: str) -> Any:
    return page.evaluate(SHOWN + part + " }", key)


def test_a_zoom_in_the_timelines_reaches_map_text_and_address(page: Page, first: str, trace: xr.Dataset) -> None:
    total = trace.sizes["token"]
    show(page, f"{first}&token=3")
    assert ends(page, "timelines") == ends(page, "layer_map") == (0, total)
    drag(page, "timelines", 0.5, 0.8)
    wait_for_span(page, (total // 2, total * 8 // 10))
    low, high = ends(page, "layer_map")
    assert ends(page, "timelines") == (low, high)
    # What is drawn is the trace of these tokens.
    values = column(trace, "surprise", None, (low, high))
    line = drawn(page, "timelines", "[...f._fullData[0].y]")
    assert [min(line), max(line)] == pytest.approx([values.min(), values.max()], rel=1e-6)
    cells = drawn(page, "layer_map", "f._fullData[0].z.map((row) => [...row])")
    np.testing.assert_allclose(cells, trace["surprise"].values[:, low:high], rtol=1e-6)
    expect(page.get_by_text(f"showing all {high - low:,} tokens").first).to_be_visible()
    # The text goes to the start of the zoom, and the address says all of it.
    page.wait_for_function("window.__titanscope.selected > 3")
    token = page.evaluate("window.__titanscope.selected")
    assert abs(token - total // 2) < 5
    expect(page.locator(".cards .head").first).to_contain_text(f"token {token + 1:,} of")
    assert page.locator(".scroll").first.evaluate("box => box.scrollTop") > 0
    address = said(page)
    assert (int(address["token"]), int(address["span"].split("-")[0])) == (token + 1, token + 1)
    # Another zoom within it, in the other figure; then back.
    drag(page, "layer_map", 0.25, 0.5)
    wait_for_span(page, (low + (high - low) // 4, low + (high - low) // 2))
    box = still(page, "timelines")
    page.mouse.dblclick(box["x"] + 50, box["y"] + 20)
    wait_for_span(page, (0, total))
    page.wait_for_function("!new URLSearchParams(location.search).has('span')")


def test_a_click_in_the_map_selects_the_token_everywhere(page: Page, first: str, trace: xr.Dataset) -> None:
    show(page, f"{first}&token=3&span=401-800")
    box = still(page, "layer_map")
    page.mouse.click(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.5)
    page.wait_for_function("window.__titanscope.selected > 3", timeout=30_000)
    token = page.evaluate("window.__titanscope.selected")
    assert abs(token - 600) < 3
    expect(page.locator(".cards .head").first).to_contain_text(f"token {token + 1:,} of")
    for key in FIGURES:
        marked = f"f?.layout?.shapes?.length && f.layout.shapes.every((s) => s.x0 === {token + 1}) }}"
        page.wait_for_function(SHOWN + marked, arg=key)
    page.wait_for_function(f"new URLSearchParams(location.search).get('token') === '{token + 1}'")
    # In a figure of bins the highest token of the bin is meant.
    show(page, first)
    box = still(page, "timelines")
    page.mouse.click(box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.5)
    page.wait_for_function("Math.abs(window.__titanscope.selected - {}) < 5".format(trace.sizes["token"] * 3 // 10))
    token = page.evaluate("window.__titanscope.selected")
    pair = column(trace, "surprise", None, (token // 2 * 2, token // 2 * 2 + 2))
    assert pair[token % 2] == pair.max()


def test_a_range_in_the_text_is_shaded_and_can_be_zoomed_to(page: Page, first: str) -> None:
    show(page, f"{first}&token=30")
    text = page.locator("canvas.text").first
    text.scroll_into_view_if_needed()
    text.click(position={"x": 60, "y": 70})
    text.click(position={"x": 400, "y": 130}, modifiers=["Shift"])
    page.wait_for_function("new URLSearchParams(location.search).has('range')", timeout=30_000)
    low, high = (int(end) for end in said(page)["range"].split("-"))
    assert low < high
    for key in FIGURES:
        shaded = (
            f"f?.layout?.shapes?.some((s) => s.type === 'rect' && s.x0 === {low - 0.5} && s.x1 === {high + 0.5}) }}"
        )
        page.wait_for_function(SHOWN + shaded, arg=key)
    page.get_by_role("button", name="Zoom to the range").click()
    wait_for_span(page, (low - 1, high))
    page.get_by_role("button", name="Whole text").click()
    page.wait_for_function("!new URLSearchParams(location.search).has('span')")


def test_a_link_restores_the_view_in_a_fresh_page(page: Page, first: str) -> None:
    show(page, f"{first}&signal=momentum&layer=2&token=612&span=501-900&range=601-650")
    mark = page.evaluate("window.__titanscope")
    assert (mark["signal"], mark["layer"], mark["selected"]) == ("momentum", 1, 611)
    wait_for_span(page, (500, 900))
    assert [shape["type"] for shape in drawn(page, "timelines", "f.layout.shapes.slice(0, 2)")] == ["rect", "line"]
    expect(page.locator(".cards .head").first).to_contain_text("token 612 of")
    expect(page.get_by_text("layer 2 · one vertical scale a row, of the whole text")).to_be_visible()
    # What a link says that the text does not have is left out.
    show(page, f"{first}&signal=<b>&layer=9&token=999999&span=5-9999999&range=x&map=y")
    page.wait_for_function("new URLSearchParams(location.search).get('signal') === 'surprise'")
    assert set(said(page)) == {"run", "signal", "token"}
    assert "span" not in said(page)
