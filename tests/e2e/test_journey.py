"""The main job in a real browser: open, run a sample, look, hover, click, recolour, refresh."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

import titans_core as tc
from app.figures.aggregate import column
from app.theme import DARK, number

PAINTED = "window.__titanscope && window.__titanscope.laidOut && !window.__titanscope.error"
COLOURS = """() => {
  for (const host of document.querySelectorAll("*")) {
    const canvas = host.shadowRoot && host.shadowRoot.querySelector("canvas.text");
    if (!canvas) continue;
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const seen = new Set();
    for (let k = 0; k < data.length; k += 4) if (data[k + 3] === 255) seen.add(data.slice(k, k + 3).join());
    return seen.size;
  }
  return 0;
}"""


@dataclass
class Visit:
    """A page and everything it complained about or asked other hosts for."""

    page: Page
    errors: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def mark(self) -> dict[str, Any]:
        """What the text heatmap drew last."""
        value: dict[str, Any] = self.page.evaluate("window.__titanscope")
        return value

    def wait(self, condition: str) -> None:
        self.page.wait_for_function(condition, timeout=60_000)

    def wait_for_runs(self, condition: str) -> None:
        """Until these are drawn, and the app has taken away what it drew before."""
        self.wait(f"{condition} && window.__titanscope.laidOut")
        expect(self.page.locator("[data-testid=stApp][data-test-script-state=notRunning]")).to_be_visible(
            timeout=60_000
        )


@pytest.fixture
def visit(server: str, browser: Browser) -> Iterator[Visit]:
    page = browser.new_page(viewport={"width": 1280, "height": 1000}, color_scheme="light")
    watched = Visit(page)
    page.on("console", lambda m: watched.errors.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: watched.errors.append(str(error)))
    page.on("request", lambda r: watched.foreign.append(r.url) if not _own(r.url, server) else None)
    page.goto(server)
    watched.wait(PAINTED)
    yield watched
    page.close()


def _own(address: str, server: str) -> bool:
    return address.startswith((server, server.replace("http", "ws"), "data:", "blob:"))


def _choose_last_passage(page: Page) -> int:
    """Click the last passage once the list stands still: a layer that was just chosen draws it anew."""
    listed, before = page.locator("button.passage"), None
    for _ in range(20):
        tokens = listed.evaluate_all("buttons => buttons.map(b => Number(b.dataset.token))")
        if tokens and tokens == before:
            break
        before = tokens
        page.wait_for_timeout(1000)
    listed.last.click()
    return int(tokens[-1])


def test_the_journey(visit: Visit, folder: Path) -> None:
    page = visit.page
    # A newcomer's first picture: the first sample, run by itself.
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    first = visit.mark()
    assert first["signal"] == "surprise"
    assert len(first["runs"]) == 1

    # Another sample through two memories.
    page.get_by_role("button", name="MAG", exact=True).click()
    page.get_by_role("combobox", name="Sample").click()
    page.get_by_role("option", name="From bread to orbits").click()
    page.get_by_role("button", name="Run", exact=True).click()
    visit.wait_for_runs("window.__titanscope.runs.length === 2")
    expect(page.get_by_role("heading", level=1)).to_have_text("From bread to orbits")
    expect(page.locator(".js-plotly-plot").first).to_be_visible()
    assert page.evaluate(COLOURS) > 50, "the text heatmap is painted in many colours"

    # Hover: the card shows the token's values without asking Python.
    text = page.locator("canvas.text").first
    text.scroll_into_view_if_needed()
    text.hover(position={"x": 60, "y": 70})
    card = page.locator(".card")
    expect(card).to_be_visible()
    expect(card).to_contain_text("Surprise")
    expect(card).to_contain_text("MAG")
    shown = card.locator("tr", has_text="Surprise").locator("td.value").all_inner_texts()
    traces = [tc.open_trace(folder / "runs" / run / "trace.zarr") for run in visit.mark()["runs"]]
    wanted = [float(column(ds, "surprise")[visit.mark()["hovered"]]) for ds in traces]
    assert shown == [number(value) for value in wanted]

    # Click: the token's card, made by Python, follows.
    before = visit.mark()["selected"]
    text.click(position={"x": 60, "y": 70})
    visit.wait(f"window.__titanscope.selected !== {before}")
    token = visit.mark()["selected"]
    expect(page.locator(".cards .head")).to_contain_text(f"token {token + 1} of")

    # Keys: one token on.
    page.keyboard.press("ArrowRight")
    expect(page.locator(".cards .head")).to_contain_text(f"token {token + 2} of")

    # Another signal, another layer: drawn again at once, and the layer map follows.
    page.get_by_role("button", name="Momentum", exact=True).click()
    visit.wait("window.__titanscope.signal === 'momentum'")
    expect(page.get_by_text("Layer × token momentum")).to_be_visible()
    page.get_by_role("button", name="α", exact=True).click()
    page.get_by_label("layers").select_option(label="layer 2")
    visit.wait("window.__titanscope.layer === 1")

    # A passage leads to its place in the text.
    token = _choose_last_passage(page)
    visit.wait(f"window.__titanscope.selected === {token}")

    # A refresh finds the same runs again.
    runs = visit.mark()["runs"]
    page.reload()
    visit.wait(PAINTED)
    assert visit.mark()["runs"] == runs

    # A switch of theme reaches what Python draws as well.
    page.emulate_media(color_scheme="dark")
    chart = "document.querySelector('.js-plotly-plot')?.layout?.xaxis.linecolor"
    visit.wait(f"{chart} === '{DARK.line}'")

    assert visit.errors == []
    assert visit.foreign == []


def test_words_of_people_never_become_markup(visit: Visit) -> None:
    page = visit.page
    page.get_by_text("Paste", exact=True).click()
    attack = '<img src=x onerror="window.__x=1"><script>window.__x=1</script> [a](javascript:window.__x=1) $x$ & done.'
    area = page.get_by_label("Text to run")
    area.fill(attack)
    area.blur()
    before = visit.mark()["runs"][0]
    page.get_by_role("button", name="Run", exact=True).click()
    visit.wait_for_runs(f"window.__titanscope.runs[0] !== '{before}'")
    page.locator("canvas.text").hover(position={"x": 60, "y": 20})
    expect(page.locator(".card")).to_be_visible()
    assert page.evaluate("window.__x") is None
    assert visit.errors == []
    assert visit.foreign == []
