"""What the app installs goes with Apache-2.0."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[1] / "tools" / "licences.py"


def test_every_licence_fits(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(TOOL), run_name="__main__")
    listed = capsys.readouterr().out
    assert ended.value.code == 0, listed
    assert len(listed.splitlines()) > 20
    assert "streamlit" in listed


@pytest.mark.parametrize("said", ["AGPL-3.0", "GNU General Public License v3 (GPLv3)", "SSPL", "", "Proprietary"])
def test_one_that_does_not_is_seen(said: str) -> None:
    rules = runpy.run_path(str(TOOL))
    assert not rules["fits"](said)


@pytest.mark.parametrize("said", ["MIT License", "BSD-3-Clause", "Apache-2.0 WITH LLVM-exception", "MPL-2.0 AND MIT"])
def test_one_that_does_is_not_reported(said: str) -> None:
    assert runpy.run_path(str(TOOL))["fits"](said)
