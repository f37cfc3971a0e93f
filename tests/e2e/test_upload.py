"""Files of every kind in a real browser: what was read is shown, and a bomb keeps nobody else waiting."""

from __future__ import annotations

import threading
import time
import urllib.request
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, FilePayload, expect

from tests import making


def payload(name: str, data: bytes) -> FilePayload:
    return {"name": name, "mimeType": "application/octet-stream", "buffer": data}


def test_every_kind_is_read_while_a_bomb_goes_off(server: str, browser: Browser, folder: Path) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.goto(server)
    page.get_by_text("Upload", exact=True).click()
    chooser, sidebar = page.locator("input[type=file]"), page.get_by_test_id("stSidebar")
    expect(sidebar.get_by_text("No file is chosen yet.")).to_be_visible()
    other = browser.new_page()
    other.goto(server)
    expect(other.get_by_text("Paste", exact=True)).to_be_visible()
    slow = making.pdf([b"0 0 1 1 re f " * 800_000], packed=True)
    slowest, over = [0.0], threading.Event()

    def ask() -> None:
        while not over.wait(0.05):
            for path in ("/_stcore/health", "/"):
                begun = time.monotonic()
                urllib.request.urlopen(server + path, timeout=20).read()  # noqa: S310 (our own address)
                slowest.append(time.monotonic() - begun)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    try:
        chooser.set_input_files([payload("slow.pdf", slow)])
        expect(sidebar.get_by_text("Reading slow.pdf")).to_be_visible(timeout=20_000)
        other.get_by_text("Paste", exact=True).click()
        expect(other.get_by_label("Text to run")).to_be_visible(timeout=20_000)
        expect(sidebar.get_by_text("slow.pdf: ")).to_be_visible(timeout=40_000)
    finally:
        over.set()
        asking.join()
    assert len(slowest) > 5
    assert np.quantile(slowest, 0.95) < 1, "other pages are answered all the while"
    good = {
        "txt": b"Plain words.",
        "md": b"# Marked\n\nwords",
        "html": b"<html><p>Words of a page",
        "pdf": making.pdf(["Words on paper"]),
        "docx": making.docx(making.paragraph("Words for an office")),
    }
    chooser.set_input_files([payload(f"good.{kind}", data) for kind, data in good.items()])
    for first in ("Plain words.", "# Marked", "Words of a page", "Words on paper", "Words for an office"):
        expect(sidebar.get_by_text(first)).to_be_visible(timeout=40_000)
    expect(sidebar.get_by_text("1 of 6 files could not be read and will not run.")).to_be_visible()
    page.context.close()
    other.context.close()
