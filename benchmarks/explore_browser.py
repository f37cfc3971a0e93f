"""What explore_speed.py does in the browser, and the server that it does it with. Needs Linux, for /proc."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from playwright.sync_api import Browser, BrowserContext, Page

ROOT = Path(__file__).parents[1]
TIMEOUT = 120_000  # ms
FRAMES, STEP = 120, 137  # of the scroll: how many, and pixels from one to the next
FIGURES = ["timelines", "layer_map"]

# When each thing was first there, in ms since the navigation; looked for in every frame, so painted by then.
MARKS = """
const marks = (window.__marks = {});
const figure = (key) => window.__titanscopeFigures?.[key];
const drawn = {
  text: () => window.__titanscope?.painted && !window.__titanscope.error,
  laidOut: () => window.__titanscope?.laidOut,
  timelines: () => figure("timelines")?.painted,
  layer_map: () => figure("layer_map")?.painted,
};
(function look() {
  for (const name in drawn) if (!marks[name] && drawn[name]()) marks[name] = performance.now();
  requestAnimationFrame(look);
})();
addEventListener("pointerup", () => (window.__released = performance.now()), true);
"""
SCROLL = """async ([frames, step]) => {
  const boxes = [...document.querySelectorAll("*")].map((e) => e.shadowRoot?.querySelector(".scroll"));
  const box = boxes.find(Boolean);
  const times = [];
  for (let k = 0; k <= frames; k++) {
    times.push(await new Promise(requestAnimationFrame));
    box.scrollTop += step;
  }
  return times.slice(1).map((time, k) => time - times[k]);
}"""
RESAMPLED = """(before) => {
  const now = performance.now();
  window.__resampled ??= {};
  for (const [key, old] of Object.entries(before)) {
    if (String(window.__titanscopeFigures[key].header.extent) === old) continue;
    window.__resampled[key] ??= now - window.__released;
  }
  return Object.keys(window.__resampled).length === 2;
}"""
SWITCH = """async (name) => {
  const roots = [...document.querySelectorAll("*")].map((e) => e.shadowRoot).filter(Boolean);
  const node = roots.map((root) => root.querySelector(`.fills [data-name=${name}]`)).find(Boolean);
  const [from, before] = [performance.now(), window.__titanscope.painted];
  node.click();
  while (window.__titanscope.signal !== name || window.__titanscope.painted === before) {
    await new Promise(requestAnimationFrame);
  }
  await new Promise(requestAnimationFrame);
  return performance.now() - from;
}"""


class Server(NamedTuple):
    address: str
    process: int

    @property
    def memory(self) -> float:
        """Resident bytes of the process that serves pages; the worker, which holds the models, is another."""
        return 1024.0 * int(Path(f"/proc/{self.process}/status").read_text().partition("VmRSS:")[2].split()[0])

    @property
    def seconds(self) -> float:
        """CPU seconds of that process."""
        return _ticks(self.process) / os.sysconf("SC_CLK_TCK")

    def settle(self) -> None:
        """Wait until neither it nor its worker does anything."""
        quiet, before = 0, -1
        while quiet < 4:
            children = " ".join(p.read_text() for p in Path(f"/proc/{self.process}/task").glob("*/children"))
            now = sum(map(_ticks, [self.process, *map(int, children.split())]))
            quiet, before = quiet + 1 if now - before <= 2 else 0, now
            time.sleep(0.25)


def _ticks(process: int) -> int:
    return sum(map(int, Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:13]))


@contextmanager
def server(log: Path) -> Iterator[Server]:
    """`python -m app` on a free port, on the runs of TITANSCOPE_RUNS."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "app", "--port", str(port)]
    with open(log, "w", encoding="utf-8") as out:
        process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT)  # noqa: S603 (our own)
    try:
        until, ready = time.monotonic() + 60, False
        while not ready:
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"the server did not start:\n{log.read_text(encoding='utf-8')}")
            time.sleep(0.1)
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=2) as reply:
                    ready = reply.read() == b"ok"
            except OSError:
                continue
        yield Server(f"http://127.0.0.1:{port}", process.pid)
    finally:
        process.terminate()
        process.wait(30)


def journey(browser: Browser, at: Server, short: str, run: str) -> dict[str, float]:
    """Open `run`, after `short` so that no start is counted, and look around: seconds and bytes for the bars."""
    context = browser.new_context(viewport={"width": 1280, "height": 1000}, bypass_csp=True)
    try:
        opened(context, f"{at.address}/?run={short}").close()
        at.settle()
        wire: list[int] = []
        idle, busy = at.memory, at.seconds
        page = opened(context, f"{at.address}/?run={run}", wire)
        found = {f"paint {name}": ms / 1000 for name, ms in page.evaluate("window.__marks").items()}
        at.settle()
        found |= {"server": at.seconds - busy, "wire": float(sum(wire))}
        frames = np.array(page.evaluate(SCROLL, [FRAMES, STEP]))
        found["scroll"] = float(np.percentile(frames, 95)) / 1000
        found["switch"] = page.evaluate(SWITCH, "momentum") / 1000
        at.settle()
        for step, (low, high) in enumerate(((0.4, 0.6), (0.45, 0.55)), start=1):
            for key, ms in _zoom(page, low, high).items():
                found[f"zoom {step} {key}"] = ms / 1000
            at.settle()
        found["memory"] = at.memory - idle
        return found
    finally:
        context.close()


def opened(context: BrowserContext, address: str, wire: list[int] | None = None) -> Page:
    """The page once all of it is drawn. wire: takes the bytes of every frame and every reply about the run."""
    page = context.new_page()
    page.add_init_script(MARKS)
    if wire is not None:
        _listen(context, page, wire)
    page.goto(address, wait_until="commit")
    page.wait_for_function("Object.keys(window.__marks ?? {}).length === 4", timeout=TIMEOUT)
    return page


def _listen(context: BrowserContext, page: Page, wire: list[int]) -> None:
    ours: set[str] = set()
    network = context.new_cdp_session(page)
    network.send("Network.enable")

    def sent(event: dict[str, Any]) -> None:
        if "/titanscope/" in event["request"]["url"]:
            ours.add(event["requestId"])

    def finished(event: dict[str, Any]) -> None:
        wire.extend([int(event["encodedDataLength"])] * (event["requestId"] in ours))

    network.on("Network.requestWillBeSent", sent)
    network.on("Network.loadingFinished", finished)
    page.on("websocket", lambda socket: socket.on("framereceived", lambda data: wire.append(len(data))))


def _zoom(page: Page, low: float, high: float) -> dict[str, float]:
    """Drag across a part of the timelines; ms from letting go until each figure is drawn from what the server sent."""
    extents = "(keys) => keys.map((k) => [k, String(window.__titanscopeFigures[k].header.extent)])"
    before = page.evaluate(extents, FIGURES)
    area = page.locator("canvas.figure[data-key=timelines]")
    area.scroll_into_view_if_needed()
    page.wait_for_timeout(500)
    box = area.bounding_box()
    assert box is not None
    from_x, to_x, y = box["x"] + low * box["width"], box["x"] + high * box["width"], box["y"] + box["height"] / 2
    page.evaluate("delete window.__resampled")
    page.mouse.move(from_x, y)
    page.mouse.down()
    page.mouse.move(to_x, y, steps=4)
    page.mouse.up()
    page.wait_for_function(RESAMPLED, arg=dict(before), timeout=TIMEOUT, polling="raf")
    return dict(page.evaluate("window.__resampled"))
