"""Text, timelines, layer map and address are one instrument: what is done in one shows in all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
import xarray as xr
from playwright.sync_api import Browser, Page, expect

import titans_core as tc
from app import naming
from app.components import blob
from app.figures.aggregate import column

FIGURES = ("timelines", "layer_map")
DRAWN = "window.__titanscopeFigures?.{}?.painted"
READY = "window.__titanscope?.laidOut && !window.__titanscope.error && {}".format(
    " && ".join(DRAWN.format(key) for key in FIGURES)
)
LEFT, RIGHT = 44, 10  # pixels beside the token axis, as in figures/plot.js


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


def drawn(page: Page, key: str, part: str) -> Any:
    """A part of what a figure drew last, such as "header.extent"."""
    return page.evaluate(f"(key) => {{ const f = window.__titanscopeFigures[key]; return f.{part}; }}", key)


def section(page: Page, key: str, name: str) -> list[float]:
    """Values that a figure draws; None where they are undefined."""
    return list(page.evaluate("([key, name]) => [...window.__titanscopeFigures[key].sections[name]]", [key, name]))


def ends(page: Page, key: str) -> tuple[int, int]:
    """The tokens from..to that a figure's axis shows."""
    low, high = drawn(page, key, "header.extent")
    return low, high


def wait_for_span(page: Page, span: tuple[int, int]) -> None:
    """Until both figures were drawn again for these tokens, up to a bin at each end."""
    for key in FIGURES:
        extent = f"window.__titanscopeFigures.{key}.header.extent"
        near = " && ".join(f"Math.abs({extent}[{k}] - {end}) < 3" for k, end in enumerate(span))
        page.wait_for_function(near, timeout=30_000)


def still(page: Page, key: str, band: int = 0) -> dict[str, float]:
    """Where a row of a figure is, between the ends of the token axis, once it no longer moves."""
    area = page.locator(f"canvas.figure[data-key={key}]")
    before = None
    for _ in range(40):
        area.scroll_into_view_if_needed()
        box = area.bounding_box()
        if box is not None and box == before:
            top, height = drawn(page, key, f"plot.bands[{band}]")
            width = box["width"] - LEFT - RIGHT
            return {"x": box["x"] + LEFT, "width": width, "y": box["y"] + top, "height": height}
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
    np.testing.assert_array_equal(np.float32(section(page, "timelines", "0/0/value")), values)
    cells = np.float32(section(page, "layer_map", "0/value")).reshape(-1, high - low)
    np.testing.assert_array_equal(cells, trace["surprise"].values[:, low:high])
    expect(page.get_by_text(f"showing all {high - low:,} tokens").first).to_be_visible()
    # The text goes to the start of the zoom and selects nothing, and the address says it.
    assert page.locator(".scroll").first.evaluate("box => box.scrollTop") > 0
    page.wait_for_function("new URLSearchParams(location.search).has('span')")
    address = said(page)
    assert int(address["token"]) == 3
    assert abs(int(address["span"].split("-")[0]) - total // 2) < 5
    assert page.evaluate("window.__titanscope.selected") == 2
    # Another zoom within it, in the other figure; then back.
    drag(page, "layer_map", 0.25, 0.5)
    wait_for_span(page, (low + (high - low) // 4, low + (high - low) // 2))
    box = still(page, "timelines")
    before = page.evaluate("window.__titanscope.selected")
    page.mouse.dblclick(box["x"] + 50, box["y"] + 20)
    wait_for_span(page, (0, total))
    page.wait_for_function("!new URLSearchParams(location.search).has('span')")
    assert page.evaluate("window.__titanscope.selected") == before, "a double click is no click"


def test_a_zoom_does_not_wait_for_python(page: Page, first: str, trace: xr.Dataset) -> None:
    total = trace.sizes["token"]
    show(page, f"{first}&token=3")
    page.wait_for_timeout(1000)
    page.evaluate("WebSocket.prototype.send = () => {}")
    top = page.locator(".scroll").first.evaluate("box => box.scrollTop")
    drag(page, "layer_map", 0.5, 0.8)
    wait_for_span(page, (total // 2, total * 8 // 10))
    page.wait_for_function(
        f"[...document.querySelectorAll('*')].some(e => e.shadowRoot?.querySelector('.scroll')?.scrollTop > {top})"
    )
    assert "span" not in said(page), "Python has not heard of it"
    button = page.get_by_role("button", name="Whole text")
    button.click()
    wait_for_span(page, (0, total))
    expect(button).to_have_count(0)


def test_an_older_word_of_python_does_not_lead_back(page: Page, first: str, trace: xr.Dataset) -> None:
    total = trace.sizes["token"]
    show(page, first)
    page.wait_for_timeout(1000)
    page.evaluate("""() => {
      const { send } = WebSocket.prototype;
      WebSocket.prototype.send = function (data) { setTimeout(() => send.call(this, data), 1500); };
    }""")
    drag(page, "timelines", 0.2, 0.8)
    wait_for_span(page, (total * 2 // 10, total * 8 // 10))
    page.evaluate("""() => {
      window.__spans = [];
      const look = () => {
        const now = String(window.__titanscopeFigures.timelines.span);
        if (window.__spans.at(-1) !== now) window.__spans.push(now);
        requestAnimationFrame(look);
      };
      look();
    }""")
    drag(page, "timelines", 0.25, 0.5)
    page.wait_for_function("window.__spans.length > 1")
    span = drawn(page, "timelines", "span")
    page.wait_for_function(f"new URLSearchParams(location.search).get('span') === '{span[0] + 1}-{span[1]}'")
    page.wait_for_timeout(500)
    assert len(page.evaluate("window.__spans")) == 2, "the first zoom, then the second"


def test_the_card_says_the_values_of_the_trace(page: Page, first: str, trace: xr.Dataset) -> None:
    # Bins of two tokens: the lowest, the mean, the highest, and where that is.
    show(page, first)
    card = page.locator(".figures .values:visible")
    box = still(page, "timelines")
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 20)
    expect(card).to_contain_text("2 tokens")
    low, high = (int(part.replace(",", "")) for part in re.findall(r"([\d,]+) to ([\d,]+)", card.inner_text())[0])
    for row, name in enumerate(("surprise", "momentum", "forgotten")):
        values = column(trace, name, None, (low - 1, high))
        told = card.locator("tr").nth(row + 1).locator("td.value").all_inner_texts()
        assert [float(word.replace(",", "")) for word in told] == pytest.approx(
            [values.min(), values.mean(), values.max(), low + values.argmax()], rel=1e-6
        )
    # Single tokens: every layer, the one under the pointer in bold.
    show(page, f"{first}&span=401-500")
    box = still(page, "layer_map")
    page.mouse.move(box["x"] + 0.305 * box["width"], box["y"] + box["height"] - 5)
    expect(card).to_contain_text("token 431")
    told = card.locator("td.value").all_inner_texts()
    assert [float(word) for word in told] == pytest.approx(trace["surprise"].values[::-1, 430], rel=1e-6)
    expect(card.locator("tr.on")).to_contain_text("L1")
    page.mouse.move(5, 5)
    expect(card).to_have_count(0)


def test_figures_are_told_to_those_who_cannot_see_them(page: Page, first: str) -> None:
    show(page, f"{first}&span=401-500")
    for key, words in (
        ("timelines", "Signals through time, tokens 401 to 500. MAC surprise"),
        ("layer_map", "Surprise by layer and token, tokens 401 to 500. MAC mean layer 1"),
    ):
        figure = page.locator(f"canvas.figure[data-key={key}]")
        assert figure.get_attribute("role") == "img"
        assert str(figure.get_attribute("aria-label")).startswith(words)
        figure.focus()
        assert figure.evaluate("canvas => canvas.getRootNode().activeElement === canvas")


def test_figures_on_a_phone(first: str, browser: Browser) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    page = context.new_page()
    show(page, f"{first}&token=3&span=401-500")
    box = still(page, "timelines")
    assert 250 < box["width"] < 390 - LEFT - RIGHT
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth - innerWidth") <= 0
    figure = page.locator("canvas.figure[data-key=timelines]")
    assert figure.evaluate("canvas => getComputedStyle(canvas).touchAction") == "pan-y", "a swipe scrolls the page"
    page.touchscreen.tap(box["x"] + 0.505 * box["width"], box["y"] + 30)
    page.wait_for_function("window.__titanscope.selected === 450", timeout=30_000)
    expect(page.locator(".figures .values:visible")).to_have_count(0)
    context.close()


def test_what_has_no_value_is_not_drawn_as_one_and_names_are_text(page: Page, first: str) -> None:
    name = "<img src=x onerror='window.__x=1'>"
    values = np.array([[1, np.nan, np.inf, 1], [1, 1, 1, 1]], np.float32)
    run = naming.Name(name, name, 0).drawn | {"layers": ["L1", "L2"]}
    facts = {"runs": [run] * 2, "signal": name, "how": "max", "low": 0, "high": 1, "signed": False, "note": name}
    facts |= {"summary": name, "extent": [0, 4], "size": 1}
    body = blob.pack(facts, {"0/value": values.ravel(), "1/value": values.ravel()})
    page.route("**/titanscope/figure?kind=layer_map*", lambda route: route.fulfill(body=body))
    show(page, first)
    colours = page.evaluate("""() => {
      const { plot } = window.__titanscopeFigures.layer_map;
      const roots = [...document.querySelectorAll("*")].map((e) => e.shadowRoot).filter(Boolean);
      const canvas = roots.map((root) => root.querySelector("canvas.figure[data-key=layer_map]")).find(Boolean);
      const at = (bin) => [...canvas.getContext("2d").getImageData(plot.middle(bin), plot.row(0, 0) + 4, 1, 1).data];
      return [0, 1, 2, 3].map((bin) => at(bin).join());
    }""")
    assert colours[0] == colours[3] == "254,232,56,255", "the highest of cividis"
    assert colours[1] == colours[2] == "0,0,0,0", "neither undefined nor infinite is a colour"
    box = still(page, "layer_map")
    for share, words in ((0.4, "–"), (0.6, "infinite")):
        page.mouse.move(box["x"] + share * box["width"], box["y"] + box["height"] - 5)
        expect(page.locator(".figures .values:visible tr.on td.value")).to_have_text(words)
    expect(page.locator(".figures .values:visible")).to_contain_text(name)
    expect(page.locator(".figures .title").last).to_contain_text(name)
    assert page.evaluate("window.__x") is None


def test_a_click_in_the_map_selects_the_token_everywhere(page: Page, first: str, trace: xr.Dataset) -> None:
    show(page, f"{first}&token=3&span=401-800")
    box = still(page, "layer_map")
    page.mouse.click(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.5)
    page.wait_for_function("window.__titanscope.selected > 3", timeout=30_000)
    token = page.evaluate("window.__titanscope.selected")
    assert abs(token - 600) < 3
    expect(page.locator(".cards .head").first).to_contain_text(f"token {token + 1:,} of")
    for key in FIGURES:
        page.wait_for_function(f"window.__titanscopeFigures.{key}.token === {token}")
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
        page.wait_for_function(f"String(window.__titanscopeFigures.{key}.range) === '{low - 1},{high}'")
    page.get_by_role("button", name="Zoom to the range").click()
    wait_for_span(page, (low - 1, high))
    page.get_by_role("button", name="Whole text").click()
    page.wait_for_function("!new URLSearchParams(location.search).has('span')")


def test_a_link_restores_the_view_in_a_fresh_page(page: Page, first: str, trace: xr.Dataset) -> None:
    show(page, f"{first}&signal=momentum&layer=2&token=612&span=501-900&range=601-650")
    mark = page.evaluate("window.__titanscope")
    assert (mark["signal"], mark["layer"], mark["selected"]) == ("momentum", 1, 611)
    wait_for_span(page, (500, 900))
    assert (drawn(page, "timelines", "token"), drawn(page, "layer_map", "range")) == (611, [600, 650])
    np.testing.assert_array_equal(
        np.float32(section(page, "timelines", "1/0/value")), trace["momentum"].values[1, 500:900]
    )
    assert drawn(page, "layer_map", "signal") == "momentum"
    expect(page.locator(".cards .head").first).to_contain_text("token 612 of")
    expect(page.get_by_text("layer 2 · one vertical scale a row, of the whole text")).to_be_visible()
    # What a link says that the text does not have is left out.
    show(page, f"{first}&signal=<b>&layer=9&token=999999&span=5-9999999&range=x&map=y")
    page.wait_for_function("new URLSearchParams(location.search).get('signal') === 'surprise'")
    assert set(said(page)) == {"run", "signal", "token"}
    assert "span" not in said(page)
