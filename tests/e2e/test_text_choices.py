"""What is chosen in the text: how it is coloured, which tokens, and what of it a link brings back."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

import titans_core as tc
from app.components import scripts
from app.figures.aggregate import column
from app.theme import DARK, LIGHT, Palette, number

READY = "window.__titanscope?.laidOut && !window.__titanscope.error"
SHARED = scripts._SHARED
STORY = "The keeper's lamp was lit at six. The boats went out, and nine boats came back.\n\n" * 40


@pytest.fixture(scope="module")
def run(publish: Callable[..., str]) -> str:
    return publish(tc.load("mag"), STORY)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    made = context.new_page()
    errors: list[str] = []
    made.on("pageerror", lambda error: errors.append(str(error)))
    yield made
    context.close()
    assert errors == []


def show(page: Page, address: str) -> None:
    page.goto(address)
    page.wait_for_function(READY, timeout=60_000)


def show_all(page: Page, address: str) -> None:
    """Until the last figures are drawn, too: a busy machine's browser answers to no click while it loads plotly."""
    show(page, address)
    expect(page.locator(".js-plotly-plot .main-svg").first).to_be_attached(timeout=60_000)
    page.evaluate("() => new Promise((done) => requestIdleCallback(() => done()))")


def mark(page: Page, name: str) -> Any:
    return page.evaluate(f"window.__titanscope.{name}")


def said(page: Page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def press(page: Page, name: str) -> None:
    page.locator(".bar").get_by_role("button", name=name, exact=True).click()


def drag(page: Page, box: Locator, begin: tuple[float, float], end: tuple[float, float]) -> None:
    """Drag over an element, between two places in it."""
    box.scroll_into_view_if_needed()
    place = box.bounding_box()
    assert place is not None
    page.mouse.move(place["x"] + begin[0], place["y"] + begin[1])
    page.mouse.down()
    page.mouse.move(place["x"] + end[0], place["y"] + end[1], steps=5)
    page.mouse.up()


def test_a_link_brings_back_units_and_underlines(page: Page, server: str, run: str, browser: Browser) -> None:
    show_all(page, f"{server}/?run={run}&token=4")
    press(page, "sentence")
    press(page, "max")
    press(page, "θ")
    press(page, "α")
    page.wait_for_function("new URLSearchParams(location.search).get('underline') === 'theta.alpha'")
    page.wait_for_function("new URLSearchParams(location.search).get('rule') === 'max'")
    assert said(page)["unit"] == "sentence"
    other = browser.new_page(viewport={"width": 1280, "height": 1000})
    show_all(other, page.url)
    other.wait_for_function("window.__titanscope.unit === 'sentence' && window.__titanscope.rule === 'max'")
    expect(other.locator(".legend .under")).to_have_text(["θ", "α"])
    assert mark(other, "underlines") == ["theta", "alpha"]
    # What is the default is not in the address.
    for name in ("token", "θ", "α"):
        press(other, name)
    other.wait_for_function("!/unit|rule|underline/.test(location.search)")
    assert said(other).keys() == {"run", "signal", "token"}
    other.close()


def test_coarser_units_keep_the_scale_of_the_tokens(page: Page, server: str, run: str) -> None:
    show(page, f"{server}/?run={run}")
    legend = page.locator(".legend").first
    expect(legend).not_to_contain_text("scale of tokens")
    scale = mark(page, "scale")
    for unit in ("word", "sentence", "paragraph"):
        press(page, unit)
        page.wait_for_function(f"window.__titanscope.unit === '{unit}'")
        assert mark(page, "scale") == scale
        expect(legend).to_contain_text(f"mean of each {unit} · on the scale of tokens")
        expect(legend).not_to_contain_text("above")


def test_dragging_over_the_text_makes_a_range_and_a_click_clears_it(page: Page, server: str, run: str) -> None:
    show(page, f"{server}/?run={run}&token=100&range=101-110")
    text = page.locator("canvas.text")
    assert mark(page, "range") == [100, 110]
    drag(page, text, (10, 20), (200, 50))
    page.wait_for_function("window.__titanscope.range?.[1] < 100 || window.__titanscope.range?.[0] > 110")
    low, high = mark(page, "range")
    assert high - low > 5
    assert mark(page, "selected") == low
    page.wait_for_function(f"new URLSearchParams(location.search).get('range') === '{low + 1}-{high}'")
    page.keyboard.press("Control+c")
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied in STORY
    assert len(copied) > 10
    # Backwards, and beyond the end of a row: the token where it began stays.
    drag(page, text, (200, 80), (20, 50))
    page.wait_for_function(f"window.__titanscope.range[1] === window.__titanscope.selected + 1 && {READY}")
    # A hand that slips a little clicks; a click takes the range away, from the address too.
    drag(page, text, (100, 20), (102, 21))
    page.wait_for_function("window.__titanscope.range === null")
    page.wait_for_function("!new URLSearchParams(location.search).has('range')")


def test_the_strip_selects_nothing(page: Page, server: str, run: str) -> None:
    show(page, f"{server}/?run={run}&token=4&range=4-9")
    drag(page, page.locator("canvas.overview"), (300, 20), (600, 20))
    page.wait_for_timeout(600)
    assert (mark(page, "selected"), mark(page, "range")) == (3, [3, 9])
    assert page.locator(".scroll").evaluate("box => box.scrollTop") > 0


def test_a_link_to_a_part_shows_that_part(page: Page, server: str, run: str) -> None:
    show(page, f"{server}/?run={run}&token=4&span=600-700")
    page.wait_for_function(
        "[...document.querySelectorAll('*')].some(e => e.shadowRoot?.querySelector('.scroll')?.scrollTop > 100)"
    )
    assert mark(page, "selected") == 3


def test_the_card_has_three_digits(page: Page, server: str, run: str, folder: Path) -> None:
    show(page, f"{server}/?run={run}&token=4")
    page.locator("canvas.text").hover(position={"x": 60, "y": 20})
    shown = page.locator(".card tr", has_text="Surprise ").locator("td.value")
    token = mark(page, "hovered")
    ds = tc.open_trace(folder / "runs" / run / "trace.zarr")
    page.wait_for_timeout(300)  # until every signal is there
    expect(shown).to_have_text(number(float(column(ds, "surprise")[token])))


def test_a_page_opens_at_a_word(page: Page, server: str, run: str) -> None:
    show(page, f"{server}/?run={run}")
    page.wait_for_function("new URLSearchParams(location.search).has('token')")
    expect(page.locator(".cards .piece").first).to_have_text(re.compile(r"\w"))


def test_six_texts_begin_at_one_height_and_say_what_they_lack(
    page: Page, server: str, publish: Callable[..., str]
) -> None:
    names = list(tc.checkpoints())
    runs = "&".join(f"run={publish(tc.load(name), STORY)}" for name in names)
    page.set_viewport_size({"width": 1100, "height": 1000})
    show(page, f"{server}/?{runs}")
    expect(page.locator(".panel")).to_have_count(len(names))
    heads = [head.split("\n") for head in page.locator(".panel .head").all_inner_texts()]
    lacking = {head[0] for head in heads if head[-1] == "no memory, so no surprise"}
    assert lacking == {"Transformer", "Lightning"}
    tops = page.locator(".panel .scroll").evaluate_all("boxes => boxes.map(box => box.getBoundingClientRect().top)")
    rows = [tops[k : k + 3] for k in range(0, len(tops), 3)]
    # One head of each row wraps to more lines than the others.
    page.locator(".head").evaluate_all("heads => heads.forEach((h, k) => { if (k % 3) h.style.height = '70px'; })")
    again = page.locator(".panel .scroll").evaluate_all("boxes => boxes.map(box => box.getBoundingClientRect().top)")
    assert again[0] > tops[0]
    for row in (*rows, again[:3], again[3:]):
        assert max(row) - min(row) < 1
    press(page, "Surprisal")
    page.wait_for_function("window.__titanscope.signal === 'nll'")
    expect(page.get_by_text("no memory, so no")).to_have_count(0)


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_letters_can_be_read_on_every_colour(palette: Palette, browser: Browser) -> None:
    source = (SHARED / "colour.js").read_text(encoding="utf-8")
    page = browser.new_page()
    for name in ("ramp", "diverging"):
        table = page.evaluate(f"(() => {{ {source}; return colourTable({json.dumps(asdict(palette)[name])}); }})()")
        assert len(table["fill"]) == len(table["ink"]) == 256
        for fill, ink in zip(table["fill"], table["ink"], strict=True):
            ground = [int(part) for part in re.findall(r"\d+", fill)]
            ratio = contrast(ground, [int(ink[k : k + 2], 16) for k in (1, 3, 5)])
            best = max(contrast(ground, [0] * 3), contrast(ground, [255] * 3))
            assert ratio >= 4.5, (name, fill, ink)
            assert ratio >= min(7, best), "where it is hard to read, nothing is given away"
    page.close()


def contrast(one: list[int], other: list[int]) -> float:
    """As WCAG 2 defines it, from sRGB."""
    light = []
    for colour in (one, other):
        c = np.array(colour) / 255
        linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
        light.append(float(linear @ [0.2126, 0.7152, 0.0722]))
    return (max(light) + 0.05) / (min(light) + 0.05)


OUTLINES = """() => {
  const { roundRect, stroke } = CanvasRenderingContext2D.prototype;
  CanvasRenderingContext2D.prototype.roundRect = function (...box) { this.box = box; roundRect.apply(this, box); };
  CanvasRenderingContext2D.prototype.stroke = function () {
    if (this.lineWidth === 2) window.outlined = this.box[2];
    stroke.call(this);
  };
}"""


def test_what_is_found_and_pointed_at_is_the_unit(page: Page, server: str, publish: Callable[..., str]) -> None:
    show(page, f"{server}/?run={publish(tc.load('mag'), 'A whole contraption gave out. ' * 3)}&token=0")
    expect(page.locator(".legend")).to_contain_text("1 above and 1 below in the end colours")
    page.evaluate(OUTLINES)
    widths = {}
    for unit in ("token", "word", "sentence"):
        press(page, unit)
        search = page.get_by_label("Search in the text")
        search.fill("contraption")
        search.press("Enter")
        page.wait_for_timeout(200)
        widths[unit] = page.evaluate("outlined")
    assert 1.5 * widths["token"] < widths["word"] < widths["sentence"] / 2, widths
    press(page, "word")
    page.locator("canvas.text").hover(position={"x": 90, "y": 20})
    expect(page.locator(".card .piece")).to_have_text("contraption")
    expect(page.locator(".card")).to_contain_text("word, 3 tokens")
