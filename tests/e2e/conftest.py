"""The real server in a process of its own, and headless Chromium."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, sync_playwright

import titans_core as tc
from app.jobs import store
from titans_core.model import Model

ROOT = Path(__file__).parents[2]
SYSTEM_BROWSERS = ("chromium", "google-chrome", "chromium-browser")  # as tools/browser.sh looks for them


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server keeps its runs and its log."""
    return tmp_path_factory.mktemp("e2e")


@pytest.fixture(scope="module")
def publish(folder: Path) -> Iterator[Callable[..., str]]:
    """publish(model, text, title="A test"): trace a text into the server's folder of runs; the id of the run."""

    def make(model: Model, text: str, title: str = "A test") -> str:
        run = secrets.token_hex(16)
        ds = tc.trace(model, text, store=store.draft(run) / "trace.zarr")
        facts = {"checkpoint": model.name, "title": title, "device": "cpu", "tokens": ds.sizes["token"], "seconds": 1}
        store.publish(run, facts)
        return run

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TITANSCOPE_RUNS", str(folder / "runs"))
        yield make


@pytest.fixture(scope="session")
def server(folder: Path) -> Iterator[str]:
    """Address of a server that was started with `python -m app`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = os.environ | {"TITANSCOPE_RUNS": str(folder / "runs")}
    with open(folder / "server.log", "w+", encoding="utf-8") as log:
        command = [sys.executable, "-m", "app", "--port", str(port)]
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=subprocess.STDOUT)
        try:
            _wait(f"http://127.0.0.1:{port}/_stcore/health", process, folder / "server.log")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(30)


def _wait(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        assert process.poll() is None, f"the server ended:\n{log.read_text()}"
        try:
            with urllib.request.urlopen(address, timeout=2) as reply:  # noqa: S310 (our own address)
                if reply.read() == b"ok":
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise TimeoutError(f"the server did not answer:\n{log.read_text()}")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, SYSTEM_BROWSERS)), None)  # None: playwright's own
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        chromium.on("context", lambda context: context.on("console", _note))
        yield chromium
        chromium.close()


_against_policy: list[str] = []


def _note(message: ConsoleMessage) -> None:
    if "Content Security Policy" in message.text:
        _against_policy.append(f"{message.text[:300]} ({message.page.url if message.page else 'a worker'})")


@pytest.fixture(autouse=True)
def no_page_breaks_the_policy() -> Iterator[None]:
    """Every page, figure and download that a test of this folder opens keeps to the Content-Security-Policy."""
    _against_policy.clear()
    yield
    assert _against_policy == []
