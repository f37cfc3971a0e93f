"""The site builds without a network or a warning, loads nothing from elsewhere, and its links lead somewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import titans_core as tc

ROOT = Path(__file__).parents[1]
LOADS = {"script": "src", "img": "src", "iframe": "src", "source": "srcset", "object": "data", "video": "src"}
NOWHERE = "http://127.0.0.1:9"  # a proxy that nobody serves: whoever asks the network gets an error


class Page(HTMLParser):
    """What a page loads, links to and may be linked to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.ids |= {given[name] for name in ("id", "name") if name in given}
        if tag in LOADS and LOADS[tag] in given:
            self.loads.append(given[LOADS[tag]])
        if tag == "link" and given.get("rel") not in ("index", "search", "next", "prev", "canonical"):
            self.loads.append(given["href"])
        if tag == "a" and "href" in given:
            self.links.append(given["href"])


@cache
def page(path: Path) -> Page:
    return Page(path)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-b", "html", "-n", "-W", "--keep-going", "-q", ROOT / "docs", out]
    alone = {"http_proxy": NOWHERE, "https_proxy": NOWHERE, "HTTP_PROXY": NOWHERE, "HTTPS_PROXY": NOWHERE}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=os.environ | alone)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


@pytest.fixture(scope="module")
def pages(site: Path) -> list[Path]:
    return sorted(site.rglob("*.html"))


def test_it_has_every_page_and_every_public_name(site: Path, pages: list[Path]) -> None:
    names = {path.relative_to(site).with_suffix("").as_posix() for path in pages}
    written = {path.relative_to(ROOT / "docs").with_suffix("").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert written <= names
    reference = set().union(*(page(path).ids for path in (site / "api").glob("*.html")))
    assert {f"titans_core.{name}" for name in tc.__all__ if name not in ("adapters", "memory")} <= reference
    assert {"titans-trace", "titans-recall", "titans_core.memory.memory_scan"} <= reference


def test_nothing_is_loaded_from_another_host(site: Path, pages: list[Path]) -> None:
    for path in pages:
        away = [url for url in page(path).loads if urlsplit(url).scheme not in ("", "data") or url.startswith("//")]
        assert not away, path
    for path in site.rglob("*.css"):
        assert not re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//[^)\s]+", path.read_text("utf-8")), path


def test_every_link_inside_it_leads_somewhere(pages: list[Path]) -> None:
    for path in pages:
        for link in page(path).links:
            parts = urlsplit(link)
            if parts.scheme or link.startswith("//"):
                assert parts.scheme in ("https", "mailto"), f"{link} in {path}"
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert target.is_file(), f"{link} in {path}"
            if parts.fragment and target.suffix == ".html":
                assert unquote(parts.fragment) in page(target).ids, f"{link} in {path}"


def test_equations_are_drawn_by_the_browser(site: Path) -> None:
    shown = (site / "math.html").read_text("utf-8")
    assert shown.count("<math") > 200
    assert '<span class="eqno">(14, 18)</span>' in shown
    assert not re.findall(r"\\(?:theta|frac|lVert)", re.sub(r"<(pre|annotation).*?</\1>", "", shown, flags=re.DOTALL))


def test_it_can_be_searched_without_a_server(site: Path) -> None:
    index = (site / "searchindex.js").read_text("utf-8")
    assert '"surpris' in index or "surpris:" in index
    assert '"memory_scan"' in index
