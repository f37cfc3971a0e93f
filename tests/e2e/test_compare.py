"""Compare in a real browser: two memories of one text, their difference, and a run with other physics beside them."""

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
from app.figures import aggregate
from titans_core.probes.comparing import align, difference

TEXT_DRAWN = "window.__titanscope?.laidOut && !window.__titanscope.error"
DRAWN = f"{TEXT_DRAWN} && window.__titanscopeFigures?.timelines?.painted && window.__titanscopeDifference?.columns?.[0]"
PROBED = "/compare/_stcore/"  # Streamlit looks for its server there first, in vain


@pytest.fixture(scope="module")
def compared(server: str, browser: Browser) -> str:
    """The address at which Explore's link leads to two memories of the first sample."""
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.goto(server)
    page.wait_for_function(TEXT_DRAWN, timeout=60_000)
    page.get_by_role("button", name="MAG", exact=True).click()
    page.get_by_role("button", name="Run", exact=True).click()
    link = page.get_by_role("link", name="Compare these runs")
    link.click(timeout=120_000)
    page.wait_for_function(DRAWN, timeout=60_000)
    address = page.url
    page.close()
    return address


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    opened = browser.new_page(viewport={"width": 1280, "height": 1000})
    errors: list[str] = []
    opened.on("response", lambda r: errors.append(r.url) if r.status >= 400 and PROBED not in r.url else None)
    opened.on("pageerror", lambda error: errors.append(str(error)))
    yield opened
    opened.close()
    assert errors == []


def ids(address: str) -> list[str]:
    return parse_qs(urlsplit(address).query)["run"]


def show(page: Page, address: str) -> None:
    page.goto(address)
    page.wait_for_function(DRAWN, timeout=60_000)


def drawn(page: Page) -> dict[str, Any]:
    """What the text of the difference shows: its values, None where undefined, and its scale."""
    told: dict[str, Any] = page.evaluate(
        "(({columns, scale, runs, signal, layer, selected}) => ({values: [...columns[0]], scale, runs, signal, layer,"
        " selected}))(window.__titanscopeDifference)"
    )
    told["values"] = np.array([np.nan if v is None else v for v in told["values"]], np.float32)
    return told


def traces(folder: Path, address: str) -> list[xr.Dataset]:
    return [tc.open_trace(folder / "runs" / run / "trace.zarr") for run in ids(address)]


def choose(page: Page, label: str, option: str) -> None:
    box = page.get_by_role("combobox", name=label, exact=True)
    box.scroll_into_view_if_needed()
    page.wait_for_timeout(600)  # a list closes when the page moves under it
    box.click()
    page.get_by_role("option", name=option, exact=True).click()


def fill(page: Page, label: str, value: str) -> None:
    box = page.get_by_role("spinbutton", name=label)
    box.fill(value)
    box.press("Enter")


def test_the_link_of_explore_keeps_the_runs_and_a_link_restores_the_view(page: Page, compared: str) -> None:
    assert urlsplit(compared).path == "/compare"
    assert len(ids(compared)) == 2
    show(page, f"{compared.partition('&token')[0]}&signal=momentum&layer=2&token=70")
    mark = page.evaluate("window.__titanscope")
    assert (mark["signal"], mark["layer"], mark["selected"], mark["runs"]) == ("momentum", 1, 69, ids(compared))
    told = drawn(page)
    assert (told["signal"], told["layer"], told["selected"]) == ("momentum", 1, 69)


def test_the_difference_on_screen_is_that_of_the_traces(page: Page, compared: str, folder: Path) -> None:
    show(page, compared)
    first, last = traces(folder, compared)
    values = align([last, first], "surprise").values
    told = drawn(page)
    np.testing.assert_array_equal(told["values"], difference(*values).astype(np.float32))
    assert told["scale"]["high"] == -told["scale"]["low"] > 0
    page.get_by_text("ratio", exact=True).click()
    page.wait_for_function("window.__titanscopeDifference.scale.high < 20", timeout=30_000)
    np.testing.assert_array_equal(drawn(page)["values"], difference(*values, ratio=True).astype(np.float32))


def test_a_copied_link_brings_back_the_pair_and_the_ratio(browser: Browser, page: Page, compared: str) -> None:
    show(page, compared)
    choose(page, "A", "MAC")
    page.get_by_text("ratio", exact=True).click()
    page.wait_for_function("location.search.includes('a=1') && location.search.includes('by=ratio')", timeout=30_000)
    other = browser.new_page(viewport={"width": 1280, "height": 1000})
    show(other, page.url)
    other.wait_for_function(f"window.__titanscopeDifference?.runs[0] === '{ids(compared)[0]}'", timeout=30_000)
    expect(other.get_by_role("radio", name="ratio")).to_be_checked()
    other.close()


def test_the_difference_follows_the_signal_of_the_texts(page: Page, compared: str, folder: Path) -> None:
    show(page, compared)
    page.get_by_role("button", name="Momentum", exact=True).click()
    page.wait_for_function("window.__titanscopeDifference.signal === 'momentum'", timeout=30_000)
    page.wait_for_function("window.__titanscopeFigures.layer_map?.signal === 'momentum'", timeout=30_000)
    first, last = traces(folder, compared)
    expected = difference(*align([last, first], "momentum").values).astype(np.float32)
    page.wait_for_timeout(500)
    np.testing.assert_array_equal(drawn(page)["values"], expected)
    assert page.evaluate("window.__titanscope.signal") == "momentum"


def test_all_panels_share_one_scale(page: Page, compared: str, folder: Path) -> None:
    show(page, compared)
    scale = page.evaluate("window.__titanscope.scale")
    every = align(traces(folder, compared), "surprise").values
    settled = every[:, aggregate.settling(traces(folder, compared)[0]) :]
    together, *alone = [np.nanpercentile(values, [1, 99]) for values in (settled, *settled)]
    assert [scale["low"], scale["high"]] == pytest.approx(together, rel=1e-5)
    assert not any(scale["high"] == pytest.approx(high, rel=1e-5) for _, high in alone)
    facts = page.evaluate("window.__titanscopeFigures.timelines.header")
    assert [run["label"] for run in facts["runs"]] == ["MAC", "MAG"]
    assert len(facts["rows"]) == 3
    assert all(isinstance(row["top"], float) for row in facts["rows"]), "one vertical scale a row, for all runs"


def test_a_run_and_itself_do_not_differ(page: Page, compared: str) -> None:
    show(page, compared)
    choose(page, "A", "MAC")
    page.wait_for_function(f"window.__titanscopeDifference.runs[0] === '{ids(compared)[0]}'", timeout=30_000)
    page.wait_for_function("window.__titanscopeDifference.scale?.rule === 'no difference'", timeout=30_000)
    assert set(drawn(page)["values"]) == {0.0}
    expect(page.get_by_text("Nowhere: there is no difference")).to_be_visible()


def test_a_click_on_a_passage_selects_its_token_everywhere(page: Page, compared: str) -> None:
    show(page, compared)
    passage = page.locator(".st-key-panel_most button.passage").nth(2)
    token = int(passage.get_attribute("data-token") or -1)
    passage.click()
    for view in ("__titanscope", "__titanscopeDifference", "__titanscopeFigures.timelines"):
        name = "token" if "Figures" in view else "selected"
        page.wait_for_function(f"window.{view}.{name} === {token}", timeout=30_000)


def test_a_new_run_stands_beside_the_others_and_differs_only_from_its_wipe(
    page: Page, compared: str, folder: Path
) -> None:
    show(page, compared)
    choose(page, "Baseline", "MAG")
    fill(page, "Wipe at token", "201")
    button = page.get_by_role("button", name="Run against MAG")
    expect(button).to_be_enabled(timeout=30_000)
    button.click()
    page.wait_for_function("window.__titanscope.runs.length === 3", timeout=120_000)
    expect(page.get_by_role("combobox", name="A", exact=True)).to_have_value(re.compile("wipe at token 201"))
    page.wait_for_function("window.__titanscopeFigures.timelines.runs.length === 3", timeout=30_000)
    expect(page.locator(".st-key-panel_order")).to_be_visible()
    choose(page, "B", "MAG")
    plain, wiped = ids(page.url)[1:]
    page.wait_for_function(f"window.__titanscopeDifference.runs[0] === '{wiped}'", timeout=30_000)
    page.wait_for_function(
        "window.__titanscopeDifference.columns[0]?.slice(0, 200).every(v => v === 0)", timeout=30_000
    )
    values = drawn(page)["values"]
    assert plain == ids(compared)[1]
    assert not values[:200].any()
    assert values[200:].any()
    expect(page.get_by_text("The rule stands before token 201")).to_be_visible()


def test_theta_zero_is_run_and_named(page: Page, compared: str, folder: Path) -> None:
    show(page, compared)
    fill(page, "θ ×", "0")
    page.get_by_role("button", name="Run against MAC").click()
    page.wait_for_function("window.__titanscope.runs.length === 3", timeout=120_000)
    page.wait_for_function("window.__titanscopeFigures.timelines.runs.length === 3", timeout=30_000)
    labels = page.evaluate("window.__titanscopeFigures.timelines.header.runs.map(run => run.label)")
    assert labels == ["MAC", "MAG", "MAC · θ×0"]
    (changed,) = traces(folder, page.url)[2:]
    assert not changed["momentary"].values.any()


@pytest.mark.parametrize(
    ("label", "value", "words"),
    [
        ("Wipe at token", "999999", "this text has tokens 1 to"),
        ("Freeze writes from token", "0", "this text has tokens 1 to"),
        ("Update chunk, tokens", "5000", "it can be 1 to 512"),
        ("η ×", "-1", "give a number of at least 0"),
    ],
)
def test_impossible_physics_are_refused_before_they_run(
    label: str, value: str, words: str, page: Page, compared: str
) -> None:
    show(page, compared)
    fill(page, label, value)
    expect(page.get_by_text(words)).to_be_visible(timeout=30_000)
    expect(page.get_by_role("button", name="Run against MAC")).to_be_disabled()
