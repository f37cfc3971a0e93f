"""Everything on the Export button, as a person saves it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image
from playwright.sync_api import Browser, Download, Locator, Page, expect

import titans_core as tc
from titans_core.cli import main as titans

ROOT = Path(__file__).parents[2]
SVG = "{http://www.w3.org/2000/svg}"
PAINTED = "window.__titanscope && window.__titanscope.laidOut && !window.__titanscope.error"
ATTACK = "=1+1 <img src=x onerror='window.__x=1'><script>window.__x=1</script> and a piano.\n" * 3


@pytest.fixture
def page(server: str, browser: Browser) -> Iterator[Page]:
    opened = browser.new_page(viewport={"width": 1280, "height": 1000}, color_scheme="light", accept_downloads=True)
    opened.goto(server)
    opened.wait_for_function(PAINTED, timeout=60_000)
    yield opened
    opened.close()


def run_of(page: Page) -> str:
    return str(page.evaluate("window.__titanscope.runs[0]"))


def open_export(page: Page) -> Locator:
    page.get_by_role("button", name="Export").click()
    box = page.locator(".download")
    expect(box).to_be_visible()
    return box


def saved(page: Page, what: Locator) -> tuple[Download, bytes]:
    with page.expect_download() as waiting:
        what.click()
    assert waiting.value.failure() is None
    return waiting.value, Path(waiting.value.path()).read_bytes()


def test_signals_are_saved(page: Page, folder: Path) -> None:
    ds = tc.open_trace(folder / "runs" / run_of(page) / "trace.zarr")
    box = open_export(page)
    file, data = saved(page, box.get_by_role("link", name="Signals: CSV"))
    assert file.suggested_filename == f"the-keeper-and-the-piano-mac-{run_of(page)[:6]}.csv"
    frame = pd.read_csv(io.BytesIO(data), comment="#", converters={"piece": str})
    np.testing.assert_array_equal(frame["surprise_layer2"].to_numpy().astype("f4"), ds["surprise"].values[1])
    file, data = saved(page, box.get_by_role("link", name="Signals: Parquet"))
    assert list(pd.read_parquet(io.BytesIO(data))["nll"][1:]) == list(ds["nll"].values[1:])
    file, data = saved(page, box.get_by_role("link", name="Signals: Zarr"))
    assert file.suggested_filename.endswith(".zarr.zip")
    assert zipfile.ZipFile(io.BytesIO(data)).testzip() is None
    _, data = saved(page, box.get_by_role("link", name="Text: TXT"))
    assert data.decode() == ds.attrs["text"]


def test_figures_are_saved_as_svg_and_png(page: Page, folder: Path) -> None:
    box = open_export(page)
    for figure, key in (("Through time", "timelines"), ("Layer × token", "layer-map")):
        file, data = saved(page, box.get_by_role("button", name=f"{figure}: SVG"))
        assert file.suggested_filename.endswith(f"-{key}.svg")
        root = ET.fromstring(data)  # noqa: S314 (made by our own page)
        assert root.tag == f"{SVG}svg"
        assert not list(root.iter(f"{SVG}script"))
        words = [text.text for text in root.iter(f"{SVG}text")]
        assert {"token", "L1" if key == "layer-map" else "surprise ‖∇ℓ‖", "1,000"} <= set(words)
        inks = {path.get("fill") for path in root.iter(f"{SVG}path")}
        points = max(len(str(path.get("d"))) for path in root.iter(f"{SVG}path"))
        assert len(inks) > 20 if key == "layer-map" else points > 5000
        file, data = saved(page, box.get_by_role("button", name=f"{figure}: PNG"))
        assert file.suggested_filename.endswith(f"-{key}.png")
        image = Image.open(io.BytesIO(data)).convert("RGB")
        assert image.width > 1000
        assert image.getpixel((2, 2)) == (255, 255, 255), "on the ground of the page"
        assert len(image.getcolors(1 << 24) or []) > 50
    _, data = saved(page, box.get_by_role("button", name="Text in view: PNG"))
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert len(data) > 10_000
    file, data = saved(page, box.get_by_role("button", name="Text in view: SVG"))
    assert file.suggested_filename.endswith("-text.svg")
    root = ET.fromstring(data)  # noqa: S314 (made by our own page)
    words = "".join(text.text or "" for text in root.iter(f"{SVG}text")).replace("↵", "")
    shown = tc.open_trace(folder / "runs" / run_of(page) / "trace.zarr").attrs["text"]
    assert len(words) > 300
    assert "".join(words.split()) in "".join(shown.split())
    assert len({path.get("fill") for path in root.iter(f"{SVG}path")}) > 20
    expect(page.locator(".modebar")).to_have_count(page.locator(".js-plotly-plot").count())
    assert not any(bar.is_visible() for bar in page.locator(".modebar").all())


def test_the_report_reads_offline_and_nothing_in_it_acts(page: Page, browser: Browser, tmp_path: Path) -> None:
    page.get_by_text("Paste", exact=True).click()
    area = page.get_by_label("Text to run")
    area.fill(ATTACK)
    area.blur()
    before = run_of(page)
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_function(f"window.__titanscope.runs[0] !== '{before}' && window.__titanscope.laidOut", timeout=60_000)
    expect(page.locator("[data-testid=stApp][data-test-script-state=notRunning]")).to_be_visible(timeout=60_000)
    file, data = saved(page, open_export(page).get_by_role("link", name="Report: HTML"))
    assert file.suggested_filename.startswith("pasted-text-mac-")
    (tmp_path / "report.html").write_bytes(data)
    context = browser.new_context(offline=True, color_scheme="dark")
    reader, asked, said = context.new_page(), [], []
    reader.on("request", lambda request: asked.append(request.url))
    reader.on("console", lambda message: said.append(message.text))
    reader.goto((tmp_path / "report.html").as_uri())
    expect(reader.get_by_role("heading", level=1)).to_have_text("Pasted text")
    expect(reader.locator(".text").first).to_contain_text("<script>window.__x=1</script>")
    expect(reader.get_by_role("img", name="Signals through time")).to_be_visible()
    assert reader.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(14, 19, 32)"
    assert reader.evaluate("window.__x") is None
    assert len(asked) == 1
    assert said == []
    context.close()


def test_the_code_follows_what_is_looked_at(page: Page) -> None:
    page.get_by_role("button", name="Momentum", exact=True).click()
    page.wait_for_function("window.__titanscope.signal === 'momentum'")
    open_export(page)
    expect(page.get_by_test_id("stCode").first).to_contain_text('sum_layers("momentum", ds["momentum"].values)')
    expect(page.get_by_test_id("stCode").last).to_contain_text(
        "titans trace assets/samples/keeper-and-piano.txt --checkpoint mac --device cpu"
    )


def test_a_run_of_the_command_line_opens_in_the_page(page: Page, server: str, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "story.txt").write_text("Nine boats went out, and a piano came back. " * 9, encoding="utf-8")
    arguments = ["trace", str(tmp_path / "story.txt"), "--checkpoint", "mal", "--out", str(tmp_path / "A story.zarr")]
    assert CliRunner().invoke(titans, arguments).exit_code == 0
    command = [sys.executable, "-m", "app", "--port", server.rpartition(":")[2], str(tmp_path / "A story.zarr")]
    env = os.environ | {"TITANSCOPE_RUNS": str(folder / "runs")}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "is up already" in done.stdout
    page.goto(done.stdout.split("\n")[0].removeprefix("Titanscope: "))
    expect(page.get_by_role("heading", level=1)).to_have_text("A story")
    page.wait_for_function(PAINTED, timeout=60_000)
    ds = tc.open_trace(tmp_path / "A story.zarr")
    assert json.loads(ds.attrs["config"])["variant"] == "mal"
    expect(page.get_by_text(f"{ds.sizes['token']:,} tokens").first).to_be_visible()
