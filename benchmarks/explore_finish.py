"""For explore_speed.py: a run that ends while its page is open, and how long until the page shows it."""

from __future__ import annotations

import os
from pathlib import Path

from explore_browser import TIMEOUT, Server, opened
from playwright.sync_api import Browser, FilePayload

# Epoch in ms at which the text, then the timelines of another run than `before` stand on the page.
SHOWN = """async (before) => {
  const found = {};
  const drawn = {
    text: () => window.__titanscope.painted && window.__titanscope.runs[0],
    timelines: () => window.__titanscopeFigures?.timelines?.runs[0],
  };
  while (Object.keys(found).length < 2) {
    await new Promise(requestAnimationFrame);
    for (const name in drawn) {
      const run = drawn[name]();
      if (run && run !== before) found[name] ??= performance.timeOrigin + performance.now();
    }
  }
  return [found, window.__titanscope.runs[0]];
}"""


def finish(browser: Browser, at: Server, short: str, text: str, folder: Path) -> dict[str, float]:
    """Run `text` through MAG from the page of `short`; seconds from the moment its result was there until it is drawn.

    folder: the server's runs. A result is there once its folder has its final name, which changes the folder's ctime.
    """
    context = browser.new_context(viewport={"width": 1280, "height": 1000}, bypass_csp=True)
    try:
        page = opened(context, f"{at.address}/?run={short}")
        page.get_by_text("Upload", exact=True).click()
        file: FilePayload = {"name": "text.txt", "mimeType": "text/plain", "buffer": text.encode()}
        page.locator("input[type=file]").set_input_files([file])
        page.get_by_test_id("stFileUploader").get_by_role("button", name="Remove text.txt").wait_for()
        at.settle()
        page.get_by_role("button", name="Run", exact=True).click()
        page.set_default_timeout(TIMEOUT)
        drawn, run = page.evaluate(SHOWN, short)
        there = os.stat(folder / run).st_ctime
        return {f"finish {name}": ms / 1000 - there for name, ms in drawn.items()}
    finally:
        context.close()
