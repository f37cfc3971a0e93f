"""Texts and names that are hard to show, as a person brings them: run, shown as they are, and never acted on."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

import titans_core as tc

PAINTED = "window.__titanscope && window.__titanscope.laidOut && !window.__titanscope.error"
FIGURE = "document.querySelector('.st-key-{} .js-plotly-plot')"
MARKUP = (
    '<img src=x onerror="window.__x=1"> said the keeper, <script>window.__x=1</script> and the lamp <b>went</b> out.\n'
    "[a](javascript:window.__x=1) ![b](http://example.invalid/b.png) $x^2$ :red[no] &lt;i&gt; {{x}} </style></title>\n"
) * 4
NAME = (
    '<img src=x onerror="window.__x=1"><script>window.__x=1</script> *bold* [a](javascript:x) :red[r] $y$ \u202egnp.exe'
)
# What a report leaves out, so that no sign can change the place of others.
HIDDEN = re.compile("[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
TEXTS = {
    "only emoji": "👩🏽‍🚀👨‍👩‍👧‍👦🏴󠁧󠁢󠁳󠁣󠁴󠁿🇪🇺🦊👍🏽❤️" * 12,
    "one long word": "Donaudampfschifffahrtsgesellschaft" * 300,  # all 100,000 characters are in test_token_view
    "only combining marks": "e" + "\u0301\u0323\u0359" * 150,
    "zero width and bidi": (
        "a\u200bb\u200cc\u200dd\u2060e \u202eright to left\u202c \u2066isolated\u2069 \u2067\u2068unclosed \ufeff"
        "مرحبا (بالعالم) 123، שָׁלוֹם! \u200f\u200e\u061c \u00adsoft\n"
    )
    * 6,
}


@dataclass
class Visit:
    """A page, what it complained about, and what it asked other hosts for."""

    page: Page
    errors: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def wait_for_another(self, before: str) -> None:
        """Until another run than `before` is drawn."""
        self.page.wait_for_function(f"window.__titanscope?.runs[0] !== '{before}' && {PAINTED}", timeout=90_000)
        for key in ("timelines", "layer_map"):
            self.page.wait_for_function(f"window.__titanscopeFigures?.{key}?.runs[0] === window.__titanscope.runs[0]")
        for key in ("memory_time", "memory_path"):
            self.page.wait_for_function(f"{FIGURE.format(key)}?._fullLayout?.xaxis", timeout=60_000)
        # What was drawn before stays until the app has come to the end.
        expect(self.page.locator("[data-testid=stApp][data-test-script-state=notRunning]")).to_be_visible(
            timeout=60_000
        )

    def run(self) -> str:
        return str(self.page.evaluate("window.__titanscope.runs[0]"))

    def paste_and_run(self, text: str) -> None:
        before = self.run()
        self.page.get_by_text("Paste", exact=True).click()
        area = self.page.get_by_label("Text to run")
        area.fill(text)
        area.blur()
        self.page.get_by_role("button", name="Run", exact=True).click()
        self.wait_for_another(before)

    def assert_calm(self) -> None:
        """Nothing acted, nothing failed, and nothing is wider than the page."""
        assert self.page.evaluate("window.__x") is None
        assert self.errors == []
        assert self.foreign == []
        expect(self.page.get_by_test_id("stException")).to_have_count(0)
        expect(self.page.get_by_test_id("stAlert")).to_have_count(0)
        wide = self.page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth - innerWidth")
        assert wide <= 0, f"the page is {wide} pixels wider than the window"


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context(viewport={"width": 1280, "height": 1400}, accept_downloads=True)
    made.grant_permissions(["clipboard-read", "clipboard-write"])
    yield made
    made.close()


@pytest.fixture
def visit(context: BrowserContext, server: str) -> Visit:
    opened = Visit(context.new_page())
    opened.page.on("pageerror", lambda error: opened.errors.append(str(error)))
    opened.page.on("console", lambda m: opened.errors.append(m.text) if m.type == "error" else None)
    own = (server, server.replace("http", "ws"), "data:", "blob:")
    opened.page.on("request", lambda r: opened.foreign.append(r.url) if not r.url.startswith(own) else None)
    opened.page.goto(server)
    opened.page.wait_for_function(PAINTED, timeout=60_000)
    return opened


def report(page: Page, browser: Browser, tmp_path: Path) -> Page:
    """The saved report, opened without a network; it must stay quiet."""
    page.get_by_role("button", name="Export").click()
    with page.expect_download() as waiting:
        page.locator(".download").get_by_role("link", name="Report: HTML").click()
    (tmp_path / "report.html").write_bytes(Path(waiting.value.path()).read_bytes())
    reader = browser.new_context(offline=True).new_page()
    said: list[str] = []
    reader.on("console", lambda message: said.append(message.text))
    reader.on("request", lambda request: said.append(request.url))
    reader.goto((tmp_path / "report.html").as_uri())
    assert said == [(tmp_path / "report.html").as_uri()]
    assert reader.evaluate("window.__x") is None
    return reader


def copied(page: Page) -> str:
    """The whole text, as the text panel copies it."""
    page.locator(".scroll").press("Home")
    page.keyboard.press("Shift+End")
    page.keyboard.press("Control+c")
    expect(page.locator(".range").get_by_role("button", name="Copied")).to_be_visible()
    return str(page.evaluate("navigator.clipboard.readText()"))


def hover_label(page: Page, key: str, point: str) -> Locator:
    """What plotly says at a point of a figure; point: an expression of its place, of the figure f."""
    figure = page.locator(f".st-key-{key} .js-plotly-plot")
    figure.scroll_into_view_if_needed()
    page.wait_for_timeout(400)
    figure.hover(
        position=figure.evaluate(f"(f) => {{ const {{ xaxis: X, yaxis: Y }} = f._fullLayout; return {point}; }}")
    )
    label = figure.locator(".hoverlayer .hovertext").first
    expect(label).to_be_visible()
    return label


@pytest.mark.parametrize("kind", TEXTS)
def test_a_text_is_run_and_shown_as_it_is(kind: str, visit: Visit, browser: Browser, tmp_path: Path) -> None:
    text, page = TEXTS[kind], visit.page
    visit.paste_and_run(text)
    page.locator("canvas.text").hover(position={"x": 30, "y": 15})
    expect(page.locator(".card")).to_contain_text("Surprise")
    assert copied(page) == text
    visit.assert_calm()
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_timeout(500)
    visit.assert_calm()
    page.set_viewport_size({"width": 1280, "height": 1400})
    reader = report(page, browser, tmp_path)
    shown = reader.locator(".text").first.evaluate("box => box.textContent")
    assert shown == HIDDEN.sub("", text)
    assert reader.evaluate("document.documentElement.scrollWidth <= innerWidth")
    reader.context.close()


def test_markup_in_a_text_is_text_everywhere(visit: Visit, browser: Browser, tmp_path: Path) -> None:
    page = visit.page
    visit.paste_and_run(MARKUP)
    # The text and its hover card, the card of a token, and the passages.
    page.locator("canvas.text").hover(position={"x": 60, "y": 15})
    expect(page.locator(".card")).to_be_visible()
    assert copied(page) == MARKUP
    quotes = "".join(page.locator("button.passage").all_inner_texts())
    assert any(piece in quotes for piece in ("onerror", "<script>", "window.__x", "javascript"))
    page.locator("button.passage").first.click()
    expect(page.locator(".cards .head").first).to_contain_text("token ")
    # What plotly says, which reads a small HTML of its own.
    last = "{ x: X._offset + X.c2p(f._fullData[1].x.at(-1)), y: Y._offset + Y.c2p(f._fullData[1].y.at(-1)) }"
    expect(hover_label(page, "memory_path", last)).to_contain_text("</title>")
    # The tables behind the figures.
    for table in page.get_by_test_id("stExpander").filter(has_text="Table").all():
        table.locator("summary").click()
    expect(page.get_by_test_id("stDataFrame").first).to_be_visible()
    page.wait_for_timeout(1000)
    visit.assert_calm()
    reader = report(page, browser, tmp_path)
    for part in ('<img src=x onerror="window.__x=1">', "<script>window.__x=1</script>", "</style></title>"):
        expect(reader.locator(".text").first).to_contain_text(part)
    reader.context.close()


def test_markup_in_a_name_is_text_everywhere(
    visit: Visit, server: str, publish: Callable[..., str], browser: Browser, tmp_path: Path
) -> None:
    page, before = visit.page, visit.run()
    run = publish(tc.load("mag"), "The lamp was lit at six, and the boats went out. " * 8, NAME)
    page.goto(f"{server}/?run={run}")
    visit.wait_for_another(before)
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_have_text(NAME)
    assert heading.locator("img, script, a, strong, em, .katex").count() == 0
    visit.assert_calm()
    reader = report(page, browser, tmp_path)
    expect(reader.get_by_role("heading", level=1)).to_contain_text('<img src=x onerror="window.__x=1"><script>')
    reader.context.close()


def test_markup_in_the_name_of_a_file(visit: Visit) -> None:
    page, before = visit.page, visit.run()
    name = "<img src=x onerror=window.__x=1> **b** :red[r].txt"  # the browser sends no quotation marks in it
    page.get_by_text("Upload", exact=True).click()
    content = b"A good text in a file with a bad name. " * 10
    page.locator("input[type=file]").set_input_files([{"name": name, "mimeType": "text/plain", "buffer": content}])
    expect(page.get_by_test_id("stFileUploader").get_by_role("button", name=f"Remove {name}")).to_be_visible()
    page.get_by_role("button", name="Run", exact=True).click()
    visit.wait_for_another(before)
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    visit.assert_calm()
