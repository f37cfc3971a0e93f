"""The real server in a process of its own, and headless Chromium."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

import titans_core as tc
from app.jobs import store
from tests.e2e.serving import served
from tests.e2e.waiting import wait_for_function
from titans_core.model import Model

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
    with served(folder) as (address, _):
        yield address


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, SYSTEM_BROWSERS)), None)  # None: playwright's own
    Page.wait_for_function = wait_for_function  # type: ignore[method-assign,assignment]
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
