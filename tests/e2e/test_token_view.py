"""The text itself in a real browser: units, search, ranges, lines, and texts that are hard to show."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from playwright.sync_api import Browser, Page, expect

import titans_core as tc
from app.figures.aggregate import column
from titans_core.config import ModelConfig
from titans_core.model import Model
from titans_core.tokenizer import Tokenizer

PAINTED = "window.__titanscope && window.__titanscope.laidOut && !window.__titanscope.error"
STORY = """The keeper's lamp was lit at six. The boats went out! A STRASSE in Straße?

At nine (9.5 past) a grand piano came home: 机器学习很有趣。我们看记忆。
café café, the end.
"""
# Words that the pattern of the test cannot find, because no spaces part them.
CHINESE = ["机器", "学习", "很", "有趣", "。", "我们", "看", "记忆", "。"]

# Press a key on the text and wait until it is drawn; what was drawn, for as many presses as there are tokens.
WALK = """async (presses) => {
  const text = [...document.querySelectorAll("*")].map((e) => e.shadowRoot?.querySelector(".scroll")).find(Boolean);
  const seen = [];
  for (let k = 0; k < presses; k++) {
    const key = k === 0 ? "Home" : "ArrowRight";
    text.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    while (window.__titanscope.selected !== k) await new Promise(requestAnimationFrame);
    const { selected, span, values } = window.__titanscope;
    seen.push({ selected, span, value: values[0] });
  }
  return seen;
}"""


@pytest.fixture(scope="module")
def story(publish: Callable[..., str]) -> str:
    return publish(tc.load("mag"), STORY)


@pytest.fixture(scope="module")
def trace(story: str, folder: Path) -> xr.Dataset:
    return tc.open_trace(folder / "runs" / story / "trace.zarr")


@pytest.fixture
def page(server: str, browser: Browser) -> Iterator[Page]:
    """A page that must not complain, in a browser that may use the clipboard."""
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    made = context.new_page()
    errors: list[str] = []
    made.on("pageerror", lambda error: errors.append(str(error)))
    made.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
    yield made
    context.close()
    assert errors == []


def visit(page: Page, server: str, run: str) -> None:
    page.goto(f"{server}/?run={run}")
    page.wait_for_function(f"window.__titanscope?.runs[0] === '{run}' && {PAINTED}", timeout=60_000)


def mark(page: Page) -> dict[str, Any]:
    value: dict[str, Any] = page.evaluate("window.__titanscope")
    return value


def words(text: str) -> list[int]:
    """Where words begin, each with the space before it; punctuation apart, line ends together."""
    pattern = r"[^\S\n]*(?:" + "|".join(CHINESE) + r"|\d+\.\d+|\w+['’]\w+|[^\W\u4e00-\u9fff]+\u0301?|[^\w\s]|\n+)"
    return [m.start() for m in re.finditer(pattern, text)]


def sentences(text: str) -> list[int]:
    """Where sentences of STORY begin, with the space before them; a line end ends one, a blank line belongs before."""
    return [0, *(m.end() for m in re.finditer(r"(?<!9)[.!?。]+(?! past)\n*|\n+", text) if text[m.end() :].strip())]


def paragraphs(text: str) -> list[int]:
    return [0, *(m.end() for m in re.finditer(r"\n+", text) if text[m.end() :])]


def pooled(values: np.ndarray, starts: np.ndarray, borders: list[int], rule: str) -> tuple[list[list[int]], np.ndarray]:
    """The span of tokens and the value that each token's unit has."""
    unit = np.searchsorted(borders, starts, side="right")
    spans = [[int(np.argmax(unit == u)), int(len(unit) - np.argmax(unit[::-1] == u))] for u in unit]
    parts = [values[unit == u] for u in unit]
    return spans, np.array([p.max() if rule == "max" else p.mean(dtype=np.float64) for p in parts], np.float32)


def test_units_have_the_mean_and_the_highest_of_their_tokens(
    page: Page, server: str, story: str, trace: xr.Dataset
) -> None:
    visit(page, server, story)
    values, starts = column(trace, "surprise"), trace["start"].values
    for name, find in (("word", words), ("sentence", sentences), ("paragraph", paragraphs)):
        page.get_by_role("button", name=name, exact=True).click()
        for rule in ("max", "mean"):
            page.get_by_role("button", name=rule, exact=True).click()
            page.wait_for_function(f"window.__titanscope.unit === '{name}' && window.__titanscope.rule === '{rule}'")
            spans, wanted = pooled(values, starts, find(STORY), rule)
            steps = len(starts) if rule == "mean" else 40
            seen = page.evaluate(WALK, steps)
            assert [at["span"] for at in seen] == spans[:steps], name
            assert np.array_equal(np.array([at["value"] for at in seen], np.float32), wanted[:steps]), (name, rule)
    expect(page.locator(".legend")).to_contain_text("mean of each paragraph")
    expect(page.locator(".live")).to_contain_text("mean of paragraph")

    # Peaks are those of the unit: the highest word begins where one press from its left leads in the end.
    page.get_by_role("button", name="word", exact=True).click()
    page.wait_for_function("window.__titanscope.unit === 'word'")
    spans, wanted = pooled(values, starts, words(STORY), "mean")
    page.locator(".scroll").press("Home")
    page.wait_for_function("window.__titanscope.selected === 0")
    reached = {0}
    for _ in range(8):
        page.keyboard.press("]")
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        reached.add(mark(page)["selected"])
    assert spans[int(np.argmax(wanted))][0] in reached

    # A token alone has its own value again.
    page.get_by_role("button", name="token", exact=True).click()
    page.wait_for_function("window.__titanscope.unit === 'token'")
    chosen = mark(page)
    assert np.float32(chosen["values"][0]) == values[chosen["selected"]]


def test_search(page: Page, server: str, story: str, trace: xr.Dataset) -> None:
    visit(page, server, story)
    starts, ends = trace["start"].values, trace["end"].values
    box = page.get_by_label("Search in the text")
    for typed, found in {
        "THE": ["The", "The", "the"],
        "ano came h": ["ano came h"],  # from inside one token to inside another
        "strasse": ["STRASSE", "Straße"],
        "学习很": ["学习很"],
        "CAFÉ": ["café", "café"],
        ".*": [],  # no pattern, just text
    }.items():
        page.locator("body").press("/")
        expect(box).to_be_focused()
        page.keyboard.type(typed)
        count = page.get_by_role("search").locator(".count")
        expect(count).to_have_text(f"{len(found)} found" if found else "no match")
        places = [m.start() for m in re.finditer("|".join(map(re.escape, set(found))), STORY)] if found else []
        reached: list[int] = []
        for _ in found:
            page.keyboard.press("Enter")
            following = str((reached[-1] + 1) % len(found) + 1) if reached else r"\d+"
            expect(count).to_have_text(re.compile(f"^{following} of {len(found)}$"))
            reached.append(int(count.inner_text().split()[0]) - 1)
            page.wait_for_function(f"window.__titanscope.found.at === {reached[-1]}")
            token = mark(page)["selected"]
            assert starts[token] <= places[reached[-1]] < ends[token], typed
        assert sorted(reached) == list(range(len(found)))
        if len(found) > 1:
            page.keyboard.press("Shift+Enter")
            page.wait_for_function(f"window.__titanscope.found.at === {reached[-2]}")
        page.keyboard.press("Escape")
        page.wait_for_function("window.__titanscope.found.count === 0")
        expect(page.locator(".scroll")).to_be_focused()


def test_a_range_is_described_and_copied(page: Page, server: str, story: str, trace: xr.Dataset) -> None:
    visit(page, server, story)
    starts, ends, values = trace["start"].values, trace["end"].values, column(trace, "surprise")
    text = page.locator(".scroll")
    text.press("Home")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    for _ in range(4):
        page.keyboard.press("Shift+ArrowRight")
    page.wait_for_function("JSON.stringify(window.__titanscope.range) === '[3,8]'")
    line = page.locator(".range")
    expect(line).to_contain_text("tokens 4–8, 5 tokens")
    shown = re.search(r"mean ([\d.]+), max ([\d.]+)", line.inner_text())
    assert shown is not None
    assert [float(n) for n in shown.groups()] == pytest.approx([values[3:8].mean(), values[3:8].max()], rel=5e-3)
    page.keyboard.press("Control+c")
    expect(line.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == STORY[starts[3] : ends[7]]

    # Shift and End: over Chinese, a combining accent and line ends to the last token; then by the button.
    page.keyboard.press("Shift+End")
    page.wait_for_function(f"window.__titanscope.range[1] === {len(starts)}")
    expect(line.get_by_role("button", name="Copy", exact=True)).to_be_visible()
    line.get_by_role("button", name="Copy", exact=True).click()
    expect(line.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == STORY[starts[3] :]

    # Back over the selected token, which stays; Escape clears the range and leaves it.
    text.press("Shift+Home")
    page.wait_for_function("JSON.stringify(window.__titanscope.range) === '[0,4]'")
    text.press("Escape")
    page.wait_for_function("window.__titanscope.range === null")
    assert mark(page)["selected"] == 3
    expect(line).to_be_hidden()

    # A click with Shift makes one too.
    page.locator("canvas.text").click(position={"x": 150, "y": 20}, modifiers=["Shift"])
    page.wait_for_function("window.__titanscope.range !== null")
    assert 3 in range(*mark(page)["range"])


def test_a_finger_makes_a_range_with_a_switch(server: str, browser: Browser, story: str) -> None:
    phone = browser.new_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    phone.goto(f"{server}/?run={story}")
    phone.wait_for_function(PAINTED, timeout=60_000)
    text, switch = phone.locator("canvas.text"), phone.locator(".ranges button")
    place = text.bounding_box()
    switch.tap()
    expect(switch).to_have_text("Start?")
    text.tap(position={"x": 60, "y": 20})
    expect(switch).to_have_text("End?")
    assert text.bounding_box() == place, "the text stays where it was"
    first = phone.evaluate("window.__titanscope.selected")
    assert phone.evaluate("window.__titanscope.range") is None, "the first tap is not the end of one"
    text.tap(position={"x": 150, "y": 20})
    phone.wait_for_function("window.__titanscope.range")
    low, high = phone.evaluate("window.__titanscope.range")
    assert low == first < high - 1
    expect(switch).to_have_attribute("aria-pressed", "false")
    expect(switch).to_have_text("Range")
    # The next tap selects again, and the range is gone; another one begins anew.
    text.tap(position={"x": 150, "y": 20})
    phone.wait_for_function(f"window.__titanscope.selected === {high - 1} && window.__titanscope.range === null")
    switch.tap()
    text.tap(position={"x": 60, "y": 20})
    text.tap(position={"x": 60, "y": 20})
    phone.wait_for_function(f"String(window.__titanscope.range) === '{first},{first + 1}'")
    phone.close()


def test_a_browser_without_a_segmenter_finds_words_by_spaces(page: Page, server: str, story: str) -> None:
    page.add_init_script("delete Intl.Segmenter")
    visit(page, server, story)
    page.get_by_role("button", name="word", exact=True).click()
    page.wait_for_function("window.__titanscope.unit === 'word'")
    lamp = len(Tokenizer.load().encode_ids(["The keeper's"])[0])
    spans = [at["span"] for at in page.evaluate(WALK, lamp + 2)]
    assert spans[lamp] == [lamp, lamp + len(Tokenizer.load().encode_ids([" lamp"])[0])]


def test_at_most_two_lines(page: Page, server: str, story: str) -> None:
    visit(page, server, story)
    page.get_by_role("button", name="θ", exact=True).click()
    page.get_by_role("button", name="α", exact=True).click()
    page.wait_for_function("window.__titanscope.underlines.join() === 'theta,alpha'")
    expect(page.get_by_text("two at most")).to_be_visible()
    expect(page.get_by_role("button", name="η", exact=True)).to_be_disabled()
    expect(page.get_by_label("more underlines")).to_be_disabled()
    page.get_by_role("button", name="θ", exact=True).click()
    expect(page.get_by_text("two at most")).to_have_count(0)
    page.get_by_label("more underlines").select_option(value="nll")
    page.wait_for_function("window.__titanscope.underlines.join() === 'alpha,nll'")
    expect(page.locator(".legend .under")).to_have_text(["α", "−log₂ p"])
    page.get_by_role("group", name="underline").get_by_role("button", name="−log₂ p").click()
    page.wait_for_function("window.__titanscope.underlines.join() === 'alpha'")


def test_texts_that_are_hard_to_show(page: Page, server: str, publish: Callable[..., str], folder: Path) -> None:
    for text in (
        "😀👩‍👩‍👧🏳️‍🌈🇪🇺👍🏽" * 60,
        "Donaudampfschifffahrtsgesellschaft" * 2942,  # one word of 100,000 characters
        "a\u200bb\u202ec\u2066d\u2069 \ufeff مرحبا بالعالم، שָׁלוֹם עוֹלָם! ภาษาไทยง่าย Z͑ͫ̓a̴̢lgo " * 8,
        '<img src=x onerror="window.__x=1"><script>window.__x=1</script> ' * 8,
    ):
        run = publish(tiny(), text)
        visit(page, server, run)
        tokens = tc.open_trace(folder / "runs" / run / "trace.zarr").sizes["token"]
        page.get_by_role("button", name="word", exact=True).click()
        page.wait_for_function("window.__titanscope.unit === 'word'")
        page.locator(".scroll").press("End")
        page.wait_for_function(f"window.__titanscope.selected === {tokens - 1}")
        first, last = mark(page)["span"]
        assert 0 <= first < last == tokens
        page.locator("canvas.text").hover(position={"x": 30, "y": 15})
        expect(page.locator(".card")).to_contain_text("mean of the word")
        page.keyboard.press("/")
        page.keyboard.type(text[-6:].strip())
        page.wait_for_function("window.__titanscope.found.count > 0")
        assert page.evaluate("window.__x") is None


def tiny() -> Model:
    """A random model with the real tokenizer, which reads a long text quickly."""
    with torch.random.fork_rng():
        torch.manual_seed(7)
        model = Model(ModelConfig(variant="mag", dim=16, layers=1, heads=1, ffn=16, window=64, chunk=64, persistent=2))
    model.tokenizer, model.name, model.weights_sha256 = Tokenizer.load(), "tiny", "0" * 64
    return model.eval().requires_grad_(False)
