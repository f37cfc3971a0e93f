"""What the guide says to type, typed: each page's Python from top to bottom."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [page for page in sorted((ROOT / "docs" / "guide").glob("*.md")) if "```python" in page.read_text("utf-8")]


def test_there_are_pages_with_code() -> None:
    assert {page.stem for page in PAGES} >= {"start", "reading", "comparing", "recall"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_its_code_runs(page: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    code = "\n".join(re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE))
    exec(compile(code, str(page), "exec"), {})  # noqa: S102 (our own)
    said = capsys.readouterr().out
    if page.stem == "recall":
        assert said.count(" tokens later: ' 4062173', reads zeroed: ") >= 2, "what it is an example of"
    assert "nan" not in said.lower(), "an example shows something"
